"""The sums from which every feature follows, gathered in one pass over the voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Detector
from caloforge.observables import kernel
from caloforge.observables.spectrum import CellTable, VoxelBins, bits_of

Array = NDArray[np.floating]
Floats = NDArray[np.float64]
_NO_CELLS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class LayerSums:
    """Sums over the L layers of n showers, each (L, n) in float64: of e, x e, ..., r^2 e in MeV and mm; the number of
    voxels hit and the two largest of them. total_mev (V,): the sum of the showers; counts (n, B + 2) of their voxels.
    """

    energy: Floats
    x: Floats
    y: Floats
    r: Floats
    xx: Floats
    yy: Floats
    rr: Floats
    hits: Floats
    largest: Floats
    second: Floats
    total_mev: Floats
    counts: NDArray[np.uint32]


@lru_cache(maxsize=32)
def _weights(detector: Detector) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Offsets of the layers, where each one's grid begins in the weights, and the weights; equal grids stand once."""
    known: dict[bytes, int] = {}
    starts, parts, end = [], [], 0
    for layer in detector.layers:
        x, y, r = layer.x_mm, layer.y_mm, layer.r_mm
        part = np.stack([x, y, r, x**2, y**2, r**2], axis=1)
        key = part.tobytes()
        if key not in known:
            known[key] = end
            parts.append(part)
            end += len(part)
        starts.append(known[key])
    weights = np.ascontiguousarray(np.concatenate(parts))
    return np.array(detector.offsets, dtype=np.int64), np.array(starts, dtype=np.int64), weights


def _lowest(deposits: Array, threshold_mev: float) -> Any:
    """The least deposit that counts as a hit, in the deposits' precision: the threshold, or whatever is above zero."""
    kind = deposits.dtype.type
    limit = kind(threshold_mev)
    return limit if limit > 0 else np.nextafter(kind(0), kind(1))


def _room(deposits: Array) -> tuple[Array, NDArray[np.signedinteger[Any]], NDArray[np.int32]]:
    """Values and places of the hits of one shower, and the values' bits."""
    values = np.empty(deposits.shape[1] + 1, dtype=deposits.dtype)
    return values, bits_of(values), np.empty(len(values), dtype=np.int32)


def layer_sums(deposits_mev: Array, detector: Detector, threshold_mev: float, bins: VoxelBins | None) -> LayerSums:
    """The sums of showers (n, V) in MeV, float32 or float64; voxels strictly below the threshold count as zero.

    bins: of the voxels' energies, or None: then the counts have no columns. Runs on one thread, without the GIL.
    """
    deposits = np.ascontiguousarray(deposits_mev)
    n = len(deposits)
    values, bits, places = _room(deposits)
    table = CellTable(0, 1, _NO_CELLS, bits[:0]) if bins is None else bins.table(deposits.dtype)
    sums = np.empty((10, detector.n_layers, n))
    total = np.zeros(detector.n_voxels)
    counts = np.zeros((n, 0 if bins is None else bins.columns), dtype=np.uint32)
    kernel.shower_sums(
        deposits, _lowest(deposits, threshold_mev), *_weights(detector), values, bits, places,
        table.first, table.shift, table.cells, table.edges, sums, total, counts,
    )  # fmt: skip
    e, x, y, r, xx, yy, rr, hits, largest, second = sums
    return LayerSums(e, x, y, r, xx, yy, rr, hits, largest, second, total, counts)


def voxel_counts(deposits_mev: Array, threshold_mev: float, bins: VoxelBins) -> NDArray[np.uint32]:
    """How many voxels of each shower (n, V) at or above the threshold lie below, in and above the bins, (n, B + 2)."""
    deposits = np.ascontiguousarray(deposits_mev)
    table = bins.table(deposits.dtype)
    counts = np.zeros((len(deposits), bins.columns), dtype=np.uint32)
    kernel.voxel_spectra(
        deposits, _lowest(deposits, threshold_mev), *_room(deposits),
        table.first, table.shift, table.cells, table.edges, counts,
    )  # fmt: skip
    return counts
