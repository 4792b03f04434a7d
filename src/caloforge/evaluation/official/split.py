"""Disjoint parts of two samples to train on, to choose and calibrate with, and to judge with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caloforge.randomness import numpy_generator

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of train, test and validation, of the table that holds n reference showers and then the others."""

    train: Rows
    test: Rows
    validation: Rows


def split_rows(n: int, m: int, counts: tuple[int, int, int], seed: int, twins: bool = False) -> Split:
    """Parts with equally many of the n reference and the m other showers, `counts` of each, drawn at random.

    twins: row i of both goes to the same part.
    """
    ends = np.cumsum(counts)
    one = numpy_generator(seed, "classifier.split", 1).permutation(n)
    two = one if twins else numpy_generator(seed, "classifier.split", 0).permutation(m)
    parts = []
    for stop, count in zip(ends, counts, strict=True):
        chosen = slice(int(stop - count), int(stop))
        parts.append(np.sort(np.concatenate([one[chosen], n + two[chosen]])).astype(np.int64))
    return Split(*parts)
