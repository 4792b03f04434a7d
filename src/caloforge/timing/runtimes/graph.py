"""The network as an ONNX file, written once for all runtimes that read one."""

from __future__ import annotations

from pathlib import Path

from caloforge.files import replaced
from caloforge.timing.runtimes.pytorch import example
from caloforge.timing.work import Work

INPUT, OUTPUT = "in{}", "out"


def input_names(work: Work) -> list[str]:
    """Names of the inputs in the file: letters and numbers only, in the order of the work's."""
    return [INPUT.format(number) for number in range(len(work.inputs))]


def onnx_file(work: Work) -> Path:
    """The file, exported from PyTorch with a dynamic batch where it is not there yet."""
    path = work.folder / "model.onnx"
    if path.exists():
        return path
    import torch

    arguments = example(work, 7)
    with torch.no_grad(), replaced(path) as beside:
        torch.onnx.export(
            work.module(), arguments, str(beside), input_names=input_names(work), output_names=[OUTPUT],
            dynamo=True, dynamic_shapes=tuple({0: torch.export.Dim("n")} for _ in arguments), external_data=False,
            opset_version=18, verbose=False,
        )  # fmt: skip
    return path
