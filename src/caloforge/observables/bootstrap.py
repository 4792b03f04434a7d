"""Histograms drawn again: what the counts of another sample of the same size might have been."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.randomness import numpy_generator

Floats = NDArray[np.float64]
FEW = 32
"""Counts below it are drawn from Poisson's law, others from the normal law that it comes to."""


@lru_cache(maxsize=16)
def _table(bins: int, resamplings: int, seed: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Poisson draws (R, FEW, B) of means 0, 1, ... and standard normal draws (R, B), the same for every histogram."""
    rng = numpy_generator(seed, "observables.bootstrap", side)
    few = rng.poisson(np.arange(FEW)[:, None], (resamplings, FEW, bins)).astype(np.float32)
    return few, rng.standard_normal((resamplings, bins), dtype=np.float32)


def draws(bins: int, resamplings: int, seed: int) -> tuple[NDArray[np.float32], ...]:
    """What `redrawn_spread` of the kernel needs to draw both sides' counts (B,) again, with showers of one entry each.

    Bins are drawn independently, as for a total that varies; divided by their sum, which is what a separation power
    does, they follow the multinomial law. All histograms share their random numbers, the two sides do not.
    """
    return (*_table(bins, resamplings, seed, 0), *_table(bins, resamplings, seed, 1))


def block_sums(counts: NDArray[np.integer[Any]], blocks: int) -> Floats:
    """Sums (K, B) of the counts (N, B) of at most so many blocks of showers that follow one another."""
    starts = np.unique(np.linspace(0, len(counts), min(blocks, len(counts)) + 1).astype(np.int64)[:-1])
    sums: Floats = np.add.reduceat(counts, starts, axis=0, dtype=np.float64)
    return sums


def blocks_drawn_again(sums: Floats, drawn: int, resamplings: int, seed: int, side: int) -> Floats:
    """Rows (R, B) of the sums of so many blocks, drawn with replacement of those given (K, B)."""
    rng = numpy_generator(seed, "observables.block-bootstrap", side)
    weights = rng.multinomial(drawn, np.full(len(sums), 1 / len(sums)), resamplings)
    return weights.astype(np.float64) @ sums


def scatter_of_noise(one: NDArray[np.integer[Any]], two: NDArray[np.integer[Any]]) -> float:
    """Part of the standard deviation of a separation power that the noise of the counts (B,) adds of itself.

    Of two samples of one law each bin adds (n1 + n2) / (4 n1 n2) on average, and as much times the root of 2 is its
    standard deviation; where shares h1 and h2 of the entries differ, it is less by 4 h1 h2 / (h1 + h2)^2.
    """
    n_one, n_two = float(one.sum()), float(two.sum())
    filled = one + two > 0
    if not n_one or not n_two:
        return 0.0
    h1, h2 = one[filled] / n_one, two[filled] / n_two
    common = 4 * h1 * h2 / (h1 + h2) ** 2
    return float((n_one + n_two) / (4 * n_one * n_two) * np.sqrt(2 * np.sum(common**2)))


def without_doubled_noise(drawn_again: float, noise: float) -> float:
    """Standard error of a separation power from its scatter when drawn again, and the part that is noise of itself.

    A separation power is a sum of squares: its variance is 4 s + 2 k in units of the noise in one of k bins, where s is
    the difference of the two laws. Samples drawn again from the data differ by s + k, so that they scatter with
    4 s + 6 k; twice the noise is taken off, and what is left is never below the noise.
    """
    return float(np.sqrt(max(drawn_again**2 - 2 * noise**2, noise**2)))
