"""Means and covariances of many batches drawn from one sample with replacement, without ever copying a batch."""

from __future__ import annotations

from functools import lru_cache
from math import exp, factorial

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.moment_kernel import add_triangle, gather_scaled

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
FEATURE_CUT, CODES, WIDEST, BLOCK = 1e-14, 6, 5, 2048
ROW_SECONDS, SHARED_SECONDS, ENTRY_SECONDS, SHARED_WIDTH = 1.2e-11, 3e-5, 2e-10, 100
"""Rough costs that decide what is worth sharing, never what comes out: of a row's product and of a sum's entry."""


class Moments:
    """Means and covariances of batches of a sample of N rows with d features.

    A batch is told by how often it holds each row. The rows are kept centred and decorrelated in float32, where
    products are twice as fast as in float64 and where every direction has the same relative error of about 1e-7,
    however little it varies; rank R counts the directions that vary. Rows that several batches hold are multiplied
    once for all of them, sorted by how often each of these batches holds them.

    values: (N, d) finite floats, N >= 2.
    mean: (d,); frame (d, R): x = mean + frame @ u for a row x and its decorrelated form u.
    """

    def __init__(self, values: Floats) -> None:
        self.mean = values.mean(axis=0)
        centred = values - self.mean
        size, axes = np.linalg.eigh(centred.T @ centred / max(len(values) - 1, 1))
        kept = size > FEATURE_CUT * max(float(size[-1]), np.finfo(float).tiny)
        spread = np.sqrt(size[kept])
        self.frame = axes[:, kept] * spread
        self.rank = len(spread)
        width = -(-(self.rank + 1) // 16) * 16
        self.rows = np.zeros((len(values), width), dtype=np.float32)
        self.rows[:, : self.rank] = centred @ (axes[:, kept] / spread)
        self.rows[:, self.rank] = 1

    def group_size(self, drawn: int) -> int:
        """How many batches of `drawn` rows are best handed to `of` together."""
        if self.rows.shape[1] < SHARED_WIDTH:
            return 1
        costs = {g: self._cost(g, drawn / len(self.rows)) / g for g in range(1, WIDEST + 1)}
        return min(costs, key=lambda g: costs[g])

    def of(self, counts: Counts) -> tuple[Floats, Floats]:
        """Means (G, R) and covariances (G, R, R; the lower triangle holds) of G batches in decorrelated coordinates.

        counts: (G, N), how often each batch holds each row, at least two rows in all.
        """
        sums = np.zeros((len(counts), self.rows.shape[1], self.rows.shape[1]))
        alone = self._shared(counts, sums) if len(counts) > 1 else counts
        room = np.empty_like(self.rows)
        for index, weights in enumerate(alone):
            found = gather_scaled(self.rows, weights, room)
            self._add(room[:found], np.ones(1), sums[index : index + 1])
        drawn = counts.sum(axis=1)[:, None]
        rank = self.rank
        means = sums[:, rank, :rank] / drawn
        squares = sums[:, :rank, :rank] - drawn[:, :, None] * means[:, :, None] * means[:, None, :]
        return means, squares / (drawn[:, :, None] - 1)

    def _shared(self, counts: Counts, sums: Floats) -> Counts:
        """Add the rows that are worth sharing to the sums; returns the counts of the others."""
        weights = np.minimum(counts, CODES - 1)
        codes = (CODES ** np.arange(len(counts)) @ weights).astype(np.uint16)
        codes[(counts >= CODES).any(axis=0)] = 0
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order].astype(np.int64), prepend=-1))
        stops = np.append(starts[1:], len(order))
        held = np.where(codes[order[starts]] > 0, np.count_nonzero(counts[:, order[starts]], axis=0), 0)
        worth = self._gain(held, stops - starts) > 0
        alone = counts.copy()
        for start, stop in zip(starts[worth], stops[worth], strict=True):
            rows = order[start:stop]
            alone[:, rows] = 0
            self._add(self.rows[rows], counts[:, rows[0]].astype(np.float64), sums)
        return alone

    def _add(self, rows: NDArray[np.float32], weights: Floats, sums: Floats) -> None:
        """Add weights[b] times the product of rows with themselves to sums[b], its lower triangle."""
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            add_triangle(block.T @ block, weights, sums)

    def _gain(self, held: NDArray[np.integer], rows: NDArray[np.floating] | Counts) -> Floats:
        """Seconds saved by one product for all of the batches that hold some rows, and its sums, against one each."""
        entries = self.rows.shape[1] ** 2
        overhead = SHARED_SECONDS + (1 + held) * ENTRY_SECONDS * entries
        return np.where(held > 1, rows * (held - 1) * ROW_SECONDS * entries - overhead, 0.0)

    def _cost(self, batches: int, mean: float) -> float:
        """Expected seconds of `batches` batches that hold each row `mean` times on average."""
        held, likely = _patterns(batches, mean)
        rows = len(self.rows) * likely
        row_seconds = ROW_SECONDS * self.rows.shape[1] ** 2
        rare = batches * len(self.rows) * max(0.0, 1 - float(likely.sum()))
        return row_seconds * (float(held @ rows) + rare) - float(np.clip(self._gain(held, rows), 0, None).sum())


@lru_cache(maxsize=256)
def _patterns(batches: int, mean: float) -> tuple[NDArray[np.int64], Floats]:
    """Of all ways in which some batches can hold a row: how many of them do, and the probability."""
    law = np.array([exp(-mean) * mean**k / factorial(k) for k in range(CODES)])
    held, likely = np.zeros(1, dtype=np.int64), np.ones(1)
    for _ in range(batches):
        held = np.add.outer(held, np.arange(CODES) > 0).ravel()
        likely = np.multiply.outer(likely, law).ravel()
    return held, likely
