"""OpenVINO, held to float32, and in bfloat16 where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from caloforge.timing.runtime import Run, Runtime
from caloforge.timing.runtimes.graph import onnx_file
from caloforge.timing.work import Floats, Work


class OpenVino(Runtime):
    """One stream, results written into memory that is there; it would choose bfloat16 by itself where it can."""

    label = "OpenVINO"
    extra = "openvino"
    modules: ClassVar[tuple[str, ...]] = ("openvino", "onnx")
    packages: ClassVar[tuple[str, ...]] = ("openvino",)
    hint: ClassVar[str] = "f32"
    flags = "INFERENCE_PRECISION_HINT=f32, one stream, latency"

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """The ONNX file."""
        super().prepare(work, folder, threads)
        onnx_file(work)

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """A compiled model and one request."""
        import openvino

        options = {
            "INFERENCE_PRECISION_HINT": self.hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False,
        }  # fmt: skip
        request = openvino.Core().compile_model(str(onnx_file(work)), "CPU", options).create_infer_request()

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            for number, value in enumerate(inputs.values()):
                request.set_input_tensor(number, openvino.Tensor(value, shared_memory=True))
            request.set_output_tensor(0, openvino.Tensor(out, shared_memory=True))
            request.infer()
            return out

        return run


class OpenVinoBf16(OpenVino):
    """The same in bfloat16: products of two bytes."""

    label = "OpenVINO bf16"
    hint = "bf16"
    precision = "bfloat16"
    flags = "INFERENCE_PRECISION_HINT=bf16, one stream, latency"

    def missing(self) -> str | None:
        """Also where the processor does not compute in bfloat16, and float32 would be measured under this name."""
        from caloforge.deployment.runtimes.openvino import capabilities

        absent = super().missing()
        if absent is None and "BF16" not in capabilities():
            absent = "OpenVINO finds that this processor does not compute in bfloat16; leave it out"
        return absent

    def tolerance(self, work: Work) -> float:
        """bfloat16 has eight bits."""
        return 0.05
