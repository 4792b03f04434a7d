"""Precision, recall, density and coverage of generated showers, from nearest neighbours (arXiv 2002.09797)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from caloforge.errors import CaloforgeError
from caloforge.evaluation.feature_pairs import Features, Floats, checked_pair
from caloforge.threads import in_order

EMPTY_MEV = 0.1
TILE_ROWS, TILE_COLUMNS = 1024, 2048
Tile: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True)
class Prdc:
    """How two samples cover each other, by balls around every shower that reach to its k-th nearest neighbour of the
    same sample.

    precision: share of the generated showers inside a ball of a reference shower; recall: the reverse; density: mean
    number of reference balls around a generated shower, over k; coverage: share of the reference balls that hold a
    generated shower.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    k: int
    n_reference: int
    n_generated: int

    def as_dict(self, floor: Prdc | None = None) -> dict[str, Any]:
        """For a result file; floor: the same of Geant4 against Geant4, at equal numbers."""
        numbers = ("precision", "recall", "density", "coverage")
        found: dict[str, Any] = {name: getattr(self, name) for name in numbers}
        found |= {"k": self.k, "n": min(self.n_reference, self.n_generated)}
        found["floor"] = None if floor is None else {name: getattr(floor, name) for name in numbers}
        return found


def log_voxels(deposits_mev: Features, threshold_mev: float) -> NDArray[np.float32]:
    """Features of the CaloChallenge's PRDC, (N, V): log10 of the voxels in MeV; those below the threshold (strictly)
    count as 0.1 MeV, which lies inside the spectrum."""
    deposits = np.asarray(deposits_mev)
    empty = (deposits < threshold_mev) | (deposits == 0)
    with np.errstate(invalid="ignore"):
        return np.log10(np.where(empty, np.asarray(EMPTY_MEV, dtype=deposits.dtype), deposits)).astype(np.float32)


def prdc(reference: Features, generated: Features, k: int = 5, threads: int | None = None) -> Prdc:
    """Precision, recall, density and coverage of features (N, d) and (M, d), as the package prdc gives them.

    All N^2 + M^2 + N M distances are taken, in blocks, so that memory grows with N + M. Raises CaloforgeError for bad
    shapes, features that are not finite, and k + 1 showers or fewer.
    """
    one, two = checked_pair(reference, generated, keep_float32=True)
    if not 1 <= k < min(len(one), len(two)) - 1:
        raise CaloforgeError(
            f"PRDC is asked for k = {k} with {len(one)} reference and {len(two)} generated showers, expected k from 1 "
            "to two less than either; give more showers or a smaller k."
        )
    with threadpool_limits(1, user_api="blas"):
        reach, reach_generated = (_reach(values, k, threads) for values in (one, two))
        balls = np.zeros(len(two), dtype=np.int64)
        nearest, recalled = np.full(len(one), np.inf), np.zeros(len(one), dtype=bool)
        norms, norms_generated = _norms(one), _norms(two)

        def work(tile: Tile) -> tuple[Tile, NDArray[Any], Floats, NDArray[Any]]:
            rows, columns = tile
            found = _distances(one[rows], two[columns], norms[rows], norms_generated[columns])
            inside = np.count_nonzero(found < reach[rows, None], axis=0)
            return tile, inside, found.min(axis=1), np.any(found < reach_generated[columns], axis=1)

        for (rows, columns), inside, least, held in in_order(work, _tiles(len(one), len(two), False), threads):
            balls[columns] += inside
            nearest[rows] = np.minimum(nearest[rows], least)
            recalled[rows] |= held
    return Prdc(
        float(np.mean(balls > 0)), float(np.mean(recalled)), float(np.mean(balls)) / k,
        float(np.mean(nearest < reach)), k, len(one), len(two),
    )  # fmt: skip


def _tiles(rows: int, columns: int, halved: bool) -> Iterator[Tile]:
    for start in range(0, rows, TILE_ROWS):
        for left in range(start if halved else 0, columns, TILE_COLUMNS):
            yield slice(start, min(start + TILE_ROWS, rows)), slice(left, min(left + TILE_COLUMNS, columns))


def _norms(values: Features) -> Floats:
    parts = (values[start : start + TILE_ROWS].astype(np.float64) for start in range(0, len(values), TILE_ROWS))
    return np.concatenate([np.einsum("ij,ij->i", part, part) for part in parts])


def _distances(one: Features, two: Features, norms: Floats, norms_two: Floats) -> Floats:
    """Euclidean distances (I, J) in float64."""
    squares = -2.0 * (one.astype(np.float64, copy=False) @ two.astype(np.float64, copy=False).T)
    squares += norms[:, None]
    squares += norms_two
    return np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)


def _reach(values: Features, k: int, threads: int | None) -> Floats:
    """Distance of each row to its k-th nearest other row."""
    best = np.full((len(values), k + 1), np.inf)
    norms = _norms(values)

    def least(found: Floats) -> Floats:
        return np.partition(found, k, axis=1)[:, : k + 1] if found.shape[1] > k + 1 else found

    def work(tile: Tile) -> tuple[Tile, Floats, Floats]:
        rows, columns = tile
        found = _distances(values[rows], values[columns], norms[rows], norms[columns])
        own = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
        found[own - rows.start, own - columns.start] = 0.0
        later = max(rows.stop - columns.start, 0)
        return tile, least(found), least(found[:, later:].T)

    for (rows, columns), forward, backward in in_order(work, _tiles(len(values), len(values), True), threads):
        best[rows] = least(np.concatenate([best[rows], forward], axis=1))
        later = slice(max(rows.stop, columns.start), columns.stop)
        if len(backward):
            best[later] = least(np.concatenate([best[later], backward], axis=1))
    return np.asarray(best.max(axis=1), dtype=np.float64)
