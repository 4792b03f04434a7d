"""A shower model in float64: what the rounding of float32 is measured against."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from caloforge.deployment.graph import WithBlocks
from caloforge.nn.fallback import SlowPathWarning


class _Double(TorchFunctionMode):
    """Everything that asks for float32 by name gets float64."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.float:
            return args[0].double()
        return func(*args, **(kwargs or {}))


def in_double(module: nn.Module, inputs: Mapping[str, Tensor], *, blocks: bool = False) -> Any:
    """What module(*inputs) gives in float64, from a copy whose parameters and buffers are float64.

    blocks: with the results of its blocks, as `WithBlocks`.
    """
    exact = copy.deepcopy(module).double()
    if blocks:
        exact = WithBlocks(exact)
    with torch.no_grad(), _Double(), warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowPathWarning)
        return exact(*(value.double() for value in inputs.values()))
