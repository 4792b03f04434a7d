"""The Wasserstein-1 distance of two histograms: how far the entries must be moved on average."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def wasserstein_of_counts(one: NDArray[np.int64], two: NDArray[np.int64], edges: Floats) -> float | None:
    """Distance of two histograms (B,) with edges (B + 1,) whose entries lie evenly in their bins.

    For entries that were counted and not kept: each stands within a bin of its place, so that differences within a
    bin are not seen. None where a histogram is empty.
    """
    totals = int(one.sum()), int(two.sum())
    if not all(totals):
        return None
    gap = np.concatenate([[0.0], np.cumsum(one / totals[0] - two / totals[1])])
    left, right = np.abs(gap[:-1]), np.abs(gap[1:])
    crossing = gap[:-1] * gap[1:] < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        crossed = (left**2 + right**2) / (left + right)
    return float(np.sum(np.where(crossing, crossed, left + right) / 2 * np.diff(edges)))
