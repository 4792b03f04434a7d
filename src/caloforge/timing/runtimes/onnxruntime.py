"""ONNX Runtime, as most call it and driven to what it can do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from caloforge.timing.runtime import Run, Runtime
from caloforge.timing.runtimes.graph import OUTPUT, input_names, onnx_file
from caloforge.timing.work import Floats, Work

CHUNK = 250


def _session(work: Work, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(str(onnx_file(work)), options, providers=["CPUExecutionProvider"])


class OnnxRuntime(Runtime):
    """`session.run` with the threads asked for, sequential and without spinning."""

    label = "ONNX Runtime"
    extra = "onnx"
    modules: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnx")
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnx")
    flags = "intra_op=threads, inter_op=1, sequential, no spinning"

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """The ONNX file."""
        super().prepare(work, folder, threads)
        onnx_file(work)

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """A session whose results are fresh arrays."""
        session, names = _session(work, threads), input_names(work)

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            result: Floats = session.run([OUTPUT], dict(zip(names, inputs.values(), strict=True)))[0]
            return result

        return run


class OnnxRuntimeBound(OnnxRuntime):
    """Inputs and outputs bound to memory that is there, large batches in chunks of 250."""

    label = "ONNX Runtime, bound chunks"
    flags = f"as ONNX Runtime, IO binding, chunks of {CHUNK}"

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """A session with bindings that are kept for the memory at hand."""
        session, names = _session(work, threads), input_names(work)
        kept: tuple[tuple[int, ...], list[Any]] = ((), [])

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            nonlocal kept
            key = (len(out), out.ctypes.data, *(value.ctypes.data for value in inputs.values()))
            if kept[0] != key:
                kept = key, _bindings(session, names, list(inputs.values()), out)
            for binding in kept[1]:
                session.run_with_iobinding(binding)
            return out

        return run


def _bindings(session: Any, names: list[str], values: list[Floats], out: Floats) -> list[Any]:
    bindings = []
    for first in range(0, len(out), CHUNK):
        binding, rows = session.io_binding(), slice(first, first + CHUNK)
        for name, value in zip(names, values, strict=True):
            part = value[rows]
            binding.bind_input(name, "cpu", 0, np.float32, part.shape, part.ctypes.data)
        part = out[rows]
        binding.bind_output(OUTPUT, "cpu", 0, np.float32, part.shape, part.ctypes.data)
        bindings.append(binding)
    return bindings
