"""A module to an ONNX file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import caloforge.deployment.onnx_operators as onnx_operators
from caloforge.deployment.onnx_graph import OPSET, build, trace
from caloforge.errors import CaloforgeError
from caloforge.files import replaced

OPSETS = (13, 17)
"""The lowest and the highest opset that can be written."""

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bf16": torch.bfloat16}
assert onnx_operators


def onnx_model(
    module: nn.Module,
    example: Mapping[str, Tensor],
    outputs: Sequence[str] = ("deposits_mev",),
    *,
    opset: int = OPSET,
    metadata: Mapping[str, Any] | None = None,
    dynamic: bool = True,
    precision: str = "float32",
) -> Any:
    """The module as onnx.ModelProto; called as module(*example.values()), whose names its inputs get.

    example: inputs by name, batch first, at least two rows where `dynamic`. outputs: names of the results. opset: 13 to
    17. metadata: goes into the file, values that are no text as JSON. precision: of the stored weights of products.
    Raises CaloforgeError where onnx is not installed, for another opset, and for operators that ONNX has no words for.
    """
    try:
        import onnx
    except ImportError as error:
        raise CaloforgeError("Export to ONNX needs the package onnx; pip install 'caloforge[onnx]'.") from error
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise CaloforgeError(f"opset is {opset}; give one from {OPSETS[0]} to {OPSETS[1]}.")
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (metadata or {}).items()}
    program = trace(module, example, dynamic=dynamic)
    model = build(program, example, list(outputs), opset, told, PRECISIONS[precision])
    onnx.checker.check_model(model)
    return model


def export_onnx(
    module: nn.Module,
    example: Mapping[str, Tensor],
    path: Path | str,
    outputs: Sequence[str] = ("deposits_mev",),
    *,
    opset: int = OPSET,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write the module to an ONNX file, all or nothing; see `onnx_model`.

    A module with a method `metadata` tells its own. Nothing is compared with PyTorch here: `caloforge export` does.
    """
    if metadata is None and hasattr(module, "metadata"):
        metadata = module.metadata()  # type: ignore[operator]
    model = onnx_model(module, example, outputs, opset=opset, metadata=metadata)
    path = Path(path)
    with replaced(path) as beside:
        beside.write_bytes(model.SerializeToString())
    return path
