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


def blocks_drawn_again(counts: NDArray[np.integer[Any]], blocks: int, resamplings: int, seed: int, side: int) -> Floats:
    """Rows (R, B) of the summed counts (N, B) of showers with many entries, when blocks of showers are drawn again."""
    starts = np.unique(np.linspace(0, len(counts), min(blocks, len(counts)) + 1).astype(np.int64)[:-1])
    sums: Floats = np.add.reduceat(counts, starts, axis=0, dtype=np.float64)
    rng = numpy_generator(seed, "observables.block-bootstrap", side)
    weights = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), resamplings)
    return weights.astype(np.float64) @ sums
