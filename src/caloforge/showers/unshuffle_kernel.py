"""HDF5's byte shuffle undone: the first bytes of all numbers, then the second bytes, ... back to whole numbers."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def whole_4(planes, out):  # type: ignore[no-untyped-def]
    """planes (4, n) bytes, lowest first; out (n,) uint32."""
    a, b, c, d = planes[0], planes[1], planes[2], planes[3]
    for i in range(out.shape[0]):
        out[i] = (
            np.uint32(a[i])
            | np.uint32(b[i]) << np.uint32(8)
            | np.uint32(c[i]) << np.uint32(16)
            | np.uint32(d[i]) << np.uint32(24)
        )


@njit(nogil=True, cache=True)
def whole_8(planes, out):  # type: ignore[no-untyped-def]
    """planes (8, n) bytes, lowest first; out (n,) uint64."""
    for i in range(out.shape[0]):
        value = np.uint64(0)
        for k in range(8):
            value |= np.uint64(planes[k, i]) << np.uint64(8 * k)
        out[i] = value
