"""C++ of SOFIE: a header and its weights, compiled with g++ and OpenBLAS and run for the comparison."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.deployment.lack import Lack
from caloforge.deployment.root_versions import lacking_in_root, minimum_root, root_version
from caloforge.deployment.runtimes.base import Arrays, Call, Graph, Runtime
from caloforge.errors import CaloforgeError

FLAGS = ("-O2", "-std=c++17", "-fno-strict-aliasing")
"""Optimisation that keeps IEEE arithmetic; -ffast-math is for the user to choose and to compare. SOFIE's code puts
tensors of several types into the same memory, which g++ may reorder (at -O3 with AVX it does) unless told otherwise."""

SAID: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "check": False}
"""How the programs here are run: what they say is kept as text, whatever it holds."""

_PARSE = """
import sys, sofie
model = sofie.onnx.parse(sys.argv[1])
model.generate(sofie.Options.kSafetensorsWeightFile)
model.output_generated(sys.argv[2])
"""

_PROGRAM = """
#include "model.hxx"
#include <cstdio>
#include <cstdlib>

// inputs.bin: all inputs one after the other; outputs.bin: all outputs. Arguments: weights, showers, both files.
int main(int, char **arguments) {
    const size_t showers = std::strtoul(arguments[2], nullptr, 10);
    %(session)s
    std::FILE *in = std::fopen(arguments[3], "rb"), *out = std::fopen(arguments[4], "wb");
%(read)s
%(room)s
    SOFIE_model::doInfer(session, %(call)s);
%(write)s
    return std::fclose(in) + std::fclose(out);
}
"""


class Sofie(Runtime):
    """`model.hxx`, `model.safetensors` with the weights, and `model.onnx`, which they were made from."""

    name = "sofie"
    extra = "sofie"
    packages = ("onnx", "sofie", "scipy_openblas32")

    def require(self) -> None:
        """Also raise where there is no g++."""
        super().require()
        if shutil.which("g++") is None:
            raise CaloforgeError("--to sofie compiles C++ to compare it, but there is no g++; install it first.")

    def opset(self, version: str | None) -> int:
        """The same for every release of ROOT; raises CaloforgeError for what is none."""
        if version is not None:
            root_version(version)
        return super().opset(None)

    def facts(self, graph: Graph) -> dict[str, Any]:
        """The first release of ROOT whose SOFIE is known to read `model.onnx`, and what none is known to read."""
        minimum, unknown = minimum_root(graph.onnx)
        return {"minimum_root": minimum, **({"not_known_to_root": unknown} if unknown else {})}

    def lacking(self, graph: Graph) -> list[Lack]:
        """Nodes whose operator the release of ROOT is not known to have; where it has all, those that the SOFIE that is
        installed does not register."""
        if graph.version is not None:
            older = lacking_in_root(graph.onnx, root_version(graph.version))
            if older:
                return older
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "model.onnx"
            path.write_bytes(graph.onnx.SerializeToString())
            program = "import sys, sofie; sys.exit(0 if sofie.onnx.check_model(sys.argv[1]) else 3)"
            checked = subprocess.run([sys.executable, "-c", program, str(path)], **SAID)
        if checked.returncode != 3:
            return []
        kinds = {node.op_type for node in graph.onnx.graph.node}
        missing = {kind for kind in kinds if re.search(rf"\b{kind}\b", checked.stdout + checked.stderr)}
        return [Lack(node.op_type, node.name) for node in graph.onnx.graph.node if node.op_type in missing]

    def write(self, graph: Graph, folder: Path) -> None:
        """Write `model.onnx`, `model.hxx` and its weights; raises CaloforgeError where SOFIE takes no such model."""
        (folder / "model.onnx").write_bytes(graph.onnx.SerializeToString())
        made = subprocess.run([sys.executable, "-c", _PARSE, "model.onnx", "model.hxx"], cwd=folder, **SAID)
        if made.returncode or not (folder / "model.hxx").is_file():
            said = (made.stderr or made.stdout).strip().splitlines() or [f"exit code {made.returncode}"]
            raise CaloforgeError(f"SOFIE could not turn the model into C++ ({said[-1]}); choose another runtime.")

    def open(self, folder: Path) -> Call:
        """A program that calls the header; raises CaloforgeError where g++ does not take it."""
        folder = folder.resolve()
        arguments, outputs = _signature((folder / "model.hxx").read_text(encoding="utf-8"))
        work = tempfile.TemporaryDirectory()
        place = Path(work.name)
        program = place / "run"
        (place / "run.cpp").write_text(_program(arguments, outputs), encoding="utf-8")
        compiled = subprocess.run(
            ["g++", *FLAGS, f"-I{folder}", str(place / "run.cpp"), "-o", str(program), *blas_flags()],
            **SAID,
        )  # fmt: skip
        if compiled.returncode:
            raise CaloforgeError(
                f"g++ could not compile SOFIE's header ({first_error(compiled.stderr)}); choose another runtime."
            )

        def call(inputs: Arrays, keep: object = work) -> list[NDArray[np.float32]]:
            rows = len(next(iter(inputs.values())))
            (place / "inputs.bin").write_bytes(
                b"".join(value.astype(np.float32).tobytes() for value in inputs.values())
            )
            files = [
                str(folder / "model.safetensors"),
                str(rows),
                str(place / "inputs.bin"),
                str(place / "outputs.bin"),
            ]
            done = subprocess.run([str(program), *files], **SAID)
            if done.returncode:
                raise CaloforgeError(
                    f"SOFIE's program failed ({done.stderr.strip()[-300:] or done.returncode}); choose another runtime."
                )
            flat = np.fromfile(place / "outputs.bin", np.float32)
            return _cut(flat, rows, outputs)

        return call


def first_error(said: str) -> str:
    """What a compiler complained of first."""
    return next((line for line in said.splitlines() if "error" in line), said.strip()[-200:])


def blas_flags() -> list[str]:
    """What links SOFIE's calls of sgemm_ and sgemv_ to the OpenBLAS of the package scipy-openblas32."""
    import scipy_openblas32

    place = scipy_openblas32.get_lib_dir()
    names = [f"-D{name}=scipy_{name}" for name in ("sgemm_", "sgemv_")]
    return [*names, f"-L{place}", "-lscipy_openblas", f"-Wl,-rpath,{place}"]


def _signature(header: str) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Names and sizes of one shower (0: the same for all) of doInfer's inputs and outputs, in order."""
    sizes = {}
    for name, dims in re.findall(r"constexpr std::array<SingleDim, \d+> dim_(\w+)\{(.*)\};", header):
        numbers = re.findall(r"SingleDim\{([^}]*)\}", dims)
        sizes[name] = int(np.prod([int(size) for size in numbers if size.strip().isdigit()]))
    declared = re.search(r"inline void doInfer\(Session const &session,(.*?)\)\s*;", header)
    if declared is None:
        raise CaloforgeError("SOFIE's header has no function doInfer of the expected form; use sofie 0.1.")
    inputs = [(name, sizes[name]) for name in re.findall(r"float const\* tensor_(\w+)", declared.group(1))]
    outputs = [(name, sizes[name]) for name in re.findall(r"float \*\s*tensor_(\w+)", declared.group(1))]
    return inputs, outputs


def _program(inputs: list[tuple[str, int]], outputs: list[tuple[str, int]]) -> str:
    read = "\n".join(
        f"    std::vector<float> in_{name}(showers * {size});\n"
        f"    if (std::fread(in_{name}.data(), 4, in_{name}.size(), in) != in_{name}.size()) return 3;"
        for name, size in inputs
    )
    room = "\n".join(f"    std::vector<float> out_{name}(showers * {size});" for name, size in outputs)
    write = "\n".join(f"    std::fwrite(out_{name}.data(), 4, out_{name}.size(), out);" for name, _ in outputs)
    call = ", ".join(
        ["showers", *(f"in_{name}.data()" for name, _ in inputs), *(f"out_{name}.data()" for name, _ in outputs)]
    )
    return _PROGRAM % {
        "session": "SOFIE_model::Session session(arguments[1], showers);", "read": read, "room": room, "write": write,
        "call": call,
    }  # fmt: skip


def _cut(flat: NDArray[np.float32], rows: int, outputs: list[tuple[str, int]]) -> list[NDArray[np.float32]]:
    parts, begin = [], 0
    for _, size in outputs:
        parts.append(flat[begin : begin + rows * size].reshape(rows, size))
        begin += rows * size
    return parts
