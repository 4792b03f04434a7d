"""Whether the CPU kernels apply to some tensors; where not, that is said once."""

from __future__ import annotations

import warnings
from functools import cache

import torch
from torch import Tensor


class SlowPathWarning(UserWarning):
    """A kernel lacks a precision or a device, and plain torch is used."""


def kernels_fit(*tensors: Tensor) -> bool:
    """Whether all tensors are float32 on a CPU, and nobody traces a graph through them: it would miss a kernel that
    is called past torch."""
    if torch.compiler.is_compiling() or torch._C._is_tracing() or torch._C._functorch.peek_interpreter_stack():
        return False
    return all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)


def kernels_apply(*tensors: Tensor) -> bool:
    """The same; another precision or device is said once, where plain torch is much slower."""
    if torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack():
        return False
    for tensor in tensors:
        if tensor.dtype != torch.float32 or tensor.device.type != "cpu":
            _say_once(f"{tensor.dtype} on {tensor.device.type}")
            return False
    return True


@cache
def _say_once(found: str) -> None:
    warnings.warn(
        f"The kernels have float32 on the CPU only; {found} takes plain torch, which is slower.",
        SlowPathWarning,
        stacklevel=4,
    )
