"""The network as an ONNX file, written once for all runtimes that read one."""

from __future__ import annotations

from pathlib import Path

from caloforge.timing.runtimes.pytorch import example
from caloforge.timing.work import Work

INPUT, OUTPUT = "in{}", "out"


def input_names(work: Work) -> list[str]:
    """Names of the inputs in the file: letters and numbers only, in the order of the work's."""
    return [INPUT.format(number) for number in range(len(work.inputs))]


def onnx_file(work: Work) -> Path:
    """The file, exported from PyTorch with a dynamic batch where it is not there yet."""
    path = work.folder / "model.onnx"
    if not path.exists():
        from caloforge.deployment.onnx_file import export_onnx

        arguments = dict(zip(input_names(work), example(work, 7), strict=True))
        export_onnx(work.module(), arguments, path, (OUTPUT,), metadata={})
    return path
