"""Loops of the batches' second moments that numpy has no fast form of; each runs on one thread, without the GIL."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def gather_scaled(values, weights, room):  # type: ignore[no-untyped-def]
    """Write sqrt(w) times each row of values (N, D) with a weight w > 0 to room, one after the other; how many."""
    found = 0
    for i in range(values.shape[0]):
        if weights[i] > 0:
            scale = np.float32(np.sqrt(np.float64(weights[i])))
            for j in range(values.shape[1]):
                room[found, j] = scale * values[i, j]
            found += 1
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def add_triangle(part, weights, sums):  # type: ignore[no-untyped-def]
    """Add weights[b] times the lower triangle of part (D, D) in float32 to sums[b] (D, D) in float64."""
    for b in range(sums.shape[0]):
        w = np.float64(weights[b])
        if w != 0.0:
            for i in range(part.shape[0]):
                for j in range(i + 1):
                    sums[b, i, j] += w * np.float64(part[i, j])
