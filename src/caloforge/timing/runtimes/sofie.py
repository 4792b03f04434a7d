"""SOFIE: C++ written from the ONNX file, compiled with g++ against OpenBLAS, called in place."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from caloforge.errors import CaloforgeError
from caloforge.timing.runtime import Run, Runtime
from caloforge.timing.runtimes.graph import onnx_file
from caloforge.timing.work import Floats, Work

_SOURCE = """#include "{header}"
#include <memory>
using namespace {space};
static std::unique_ptr<Session> session;
static size_t largest = 0;
extern "C" int ready(size_t n, const char *weights) {{
   try {{
      if (n > largest) {{ session.reset(); session = std::make_unique<Session>(weights, n); largest = n; }}
      return 0;
   }} catch (...) {{ return 1; }}
}}
extern "C" int run(size_t n, {declared}, float *out) {{
   try {{ doInfer(*session, n, {given}, out); return 0; }} catch (...) {{ return 1; }}
}}
"""


class Sofie(Runtime):
    """`doInfer` into memory that is there, a session made for the largest batch so far."""

    label = "SOFIE"
    extra = "sofie"
    modules: ClassVar[tuple[str, ...]] = ("sofie", "scipy_openblas32", "onnx")
    packages: ClassVar[tuple[str, ...]] = ("sofie", "scipy-openblas32")
    compiler = True
    optimisation: ClassVar[tuple[str, ...]] = ("-O3",)
    flags = "-O3 (-fno-strict-aliasing for checkpoints), scipy-openblas32, doInfer"

    def environment(self, folder: Path, threads: int) -> dict[str, str]:
        """OpenBLAS's threads."""
        return {"OPENBLAS_NUM_THREADS": str(threads)}

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """Translate and compile."""
        import sofie

        from caloforge.deployment.runtimes.sofie import SAID, blas_flags, first_error

        super().prepare(work, folder, threads)
        header = folder / "model.hxx"
        model = sofie.onnx.parse(str(onnx_file(work)))
        model.generate(sofie.Options.kDefault)
        model.output_generated(str(header))
        text = header.read_text(encoding="utf-8")
        space = re.search(r"^namespace (SOFIE_\w+)", text, re.MULTILINE)
        if space is None or "hasDynamicInputTensors{true}" not in text:
            raise CaloforgeError("SOFIE wrote no code for a batch of any size; time another runtime.")
        names = [f"in{number}" for number in range(len(work.inputs))]
        source = folder / "model.cxx"
        declared = ", ".join(f"const float *{name}" for name in names)
        filled = _SOURCE.format(header=header.name, space=space[1], declared=declared, given=", ".join(names))
        source.write_text(filled, encoding="utf-8")
        aliasing = ["-fno-strict-aliasing"] if work.layers() is None else []  # tensors of several types in one memory
        command = [
            "g++", "-std=c++20", *aliasing, *self.optimisation, "-shared", "-fPIC",
            str(source), "-o", str(folder / "model.so"), *blas_flags(),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=folder, **SAID)
        if done.returncode:
            raise CaloforgeError(f"g++ refused SOFIE's code ({first_error(done.stderr)}); time another runtime.")

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """The library and a session for one shower."""
        library = ctypes.CDLL(str(folder / "model.so"))
        library.ready.argtypes = [ctypes.c_size_t, ctypes.c_char_p]
        library.run.argtypes = [ctypes.c_size_t, *[ctypes.c_void_p] * (len(work.inputs) + 1)]
        weights = next(folder.glob("model*.dat"), None)
        given = str(weights or folder / "model.dat").encode()

        def checked(code: int, what: str) -> None:
            if code:
                raise CaloforgeError(f"SOFIE's {what} failed; time another runtime.")

        checked(library.ready(1, given), "session")

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            checked(library.ready(len(out), given), "session")
            checked(library.run(len(out), *(value.ctypes.data for value in inputs.values()), out.ctypes.data), "call")
            return out

        return run


class SofieFast(Sofie):
    """The same with what the processor has and without strict floating point."""

    label = "SOFIE fast-math"
    optimisation: ClassVar[tuple[str, ...]] = ("-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512")
    flags = f"{' '.join(optimisation)} (-fno-strict-aliasing for checkpoints), scipy-openblas32, doInfer"
