"""How the floor of a separation power falls with the number of showers: slower where bins are nearly empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caloforge.observables.separation import Comparison

Floats = NDArray[np.float64]


def floor_scale(floor: Comparison, times: float) -> float:
    """Factor from a floor of n against n showers to one of `times` n (at least 1, about 2 at most) against as many.

    Two samples of one law, n entries each, that fill B bins together have the separation power (B - 1) / (2 n - 1) on
    average: each pooled entry belongs to either side with equal chance. So the floor falls with 1 / n where all bins
    are filled, and hardly where every further entry fills another one.
    """
    counts = floor.reference_counts + floor.generated_counts
    known = float(np.count_nonzero(counts)) - 1.0
    if known < 1.0:
        return 1.0 / times
    expected = min(filled_bins(counts, times), float(len(counts))) - 1
    return max(float(expected), known) / known / times


def filled_bins(counts: NDArray[np.integer], times: float) -> float:
    """How many bins as many entries again, times - 1 of them, will have filled, given the counts (B,) so far.

    Good and Toulmin's estimate, the alternating sum over the numbers of bins with 1, 2, 3, ... entries, with Efron and
    Thisted's binomial weights, which keep its variance small (Biometrika 63 (1976) 435).
    """
    terms = 10
    rare = np.bincount(np.minimum(counts[counts > 0], terms + 1), minlength=terms + 2)[1 : terms + 1]
    order = np.arange(1, terms + 1)
    signs = -((1.0 - min(times, 2.0)) ** order)
    return float(np.count_nonzero(counts) + np.sum(signs * _kept(terms) * rare))


def _kept(terms: int) -> Floats:
    """Chance that of so many fair coins at least 1, 2, ... show heads."""
    triangle = np.array([1.0])
    for _ in range(terms):
        triangle = np.convolve(triangle, [0.5, 0.5])
    return triangle[::-1].cumsum()[::-1][1:]
