"""Inputs and outputs of a call, refused in one sentence where they do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from caloforge.deployment.fast.panels import Floats
from caloforge.errors import CaloforgeError


def checked(name: str, value: Any, shape: tuple[int, ...], n: int | None = None) -> Floats:
    """An input, array or tensor on the CPU, as a contiguous array (n or any number, *shape) of float32, copied where it
    is not contiguous. Raises CaloforgeError for another shape or precision."""
    array = np.asarray(value.detach() if isinstance(value, Tensor) else value)
    wanted = (len(array) if n is None and array.ndim else n, *shape)
    if array.shape != wanted or array.dtype != np.float32:
        text = ", ".join(str(size) for size in ("N" if n is None else n, *shape))
        raise CaloforgeError(
            f"{name} is an array of shape {array.shape} and {array.dtype}, but ({text}) in float32 is needed; reshape "
            "or convert it."
        )
    return np.ascontiguousarray(array)


def check_out(out: Floats, shape: tuple[int, int]) -> None:
    """Raise CaloforgeError where results of this shape cannot be written into `out`."""
    if out.shape != shape or out.dtype != np.float32 or not (out.flags.c_contiguous and out.flags.writeable):
        raise CaloforgeError(
            f"out is an array of shape {out.shape} and {out.dtype}, but a contiguous one of {shape} in float32 that "
            "can be written is needed; give np.empty of that shape, or none."
        )
