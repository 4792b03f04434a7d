"""A simple reconstruction: neighbouring cells above a threshold form clusters, in cylindrical and cartesian grids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CartesianLayer, CylindricalLayer, Detector
from caloforge.detectors.layer import Layer
from caloforge.errors import CaloforgeError
from caloforge.observables.cluster_kernel import leading_clusters

Floats = NDArray[np.float64]
Pairs = NDArray[np.int64]
THRESHOLDS = 10.0
"""A cell counts from this many read-out thresholds of its detector on."""


@dataclass(frozen=True)
class Clusters:
    """Clusters of N showers, each (N,): how many there are and, of the one with the most energy, its cells, energy in
    MeV, energy-weighted mean x and y in mm and layer index, and the root mean square distance of its energy from its
    axis in mm. Showers without clusters have 0 everywhere.
    """

    number: Floats
    cells: Floats
    energy_mev: Floats
    x_mm: Floats
    y_mm: Floats
    depth: Floats
    width_mm: Floats


def find_clusters(
    deposits_mev: NDArray[np.floating[Any]], detector: Detector, threshold_mev: float | None = None
) -> Clusters:
    """Clusters of showers (N, V) in MeV; runs on one thread, without the GIL.

    Cells not below the threshold (ten times the detector's by default) that are neighbours belong to one cluster: cells
    of a layer that share an edge or touch the axis, and cells of successive layers that lie over each other, as far as
    x and y go. Raises CaloforgeError for another shape and for a threshold that is not positive.
    """
    deposits = np.ascontiguousarray(deposits_mev)
    if deposits.dtype not in (np.float32, np.float64):
        deposits = deposits.astype(np.float64)
    if deposits.ndim != 2 or deposits.shape[1] != detector.n_voxels:
        raise CaloforgeError(
            f"deposits_mev has shape {deposits.shape}, expected (showers, {detector.n_voxels}) for detector "
            f"'{detector.name}'; pass one row of voxels per shower."
        )
    threshold = cluster_threshold_mev(detector) if threshold_mev is None else float(threshold_mev)
    if not (np.isfinite(threshold) and threshold > 0):
        raise CaloforgeError(
            f"threshold_mev is {threshold}, expected a finite number above 0; give the energy from which a cell counts."
        )
    found = np.zeros((len(deposits), 7))
    lowest = deposits.dtype.type(threshold)
    leading_clusters(deposits, lowest, *_earlier_neighbours(detector), _centres(detector), found)
    return Clusters(*np.ascontiguousarray(found.T))


def cluster_threshold_mev(detector: Detector) -> float:
    """The default threshold of a cell in a cluster: ten read-out thresholds; 1 keV without any."""
    return THRESHOLDS * detector.threshold_mev or 1e-3


def cell_neighbours(detector: Detector) -> Pairs:
    """Pairs (i, j), i < j, of neighbouring cells of a detector, (pairs, 2), in its flat order: see `find_clusters`.

    Raises CaloforgeError where a cylindrical layer follows on a cartesian one or the reverse.
    """
    found = [detector.neighbours()]
    for index, (layer, start) in enumerate(zip(detector.layers, detector.offsets[:-1], strict=True)):
        found.append(start + _at_the_axis(layer))
        if index + 1 < detector.n_layers:
            found.append(np.array([start, detector.offsets[index + 1]]) + _over(layer, detector.layers[index + 1]))
    return np.unique(np.concatenate(found), axis=0)


def _at_the_axis(layer: Layer) -> Pairs:
    """Cells of the innermost ring, where it reaches the axis, all touch."""
    if not isinstance(layer, CylindricalLayer) or layer.r_edges_mm[0] > 0:
        return np.zeros((0, 2), dtype=np.int64)
    return np.stack(np.triu_indices(layer.n_alpha, 1), axis=1) * layer.shape[1]


def _over(front: Layer, back: Layer) -> Pairs:
    """Pairs of cells of two layers that overlap, each in its layer's own numbering."""
    if isinstance(front, CylindricalLayer) and isinstance(back, CylindricalLayer):
        slow = _overlaps(np.linspace(0, 1, front.n_alpha + 1), np.linspace(0, 1, back.n_alpha + 1))
        fast = _overlaps(np.array(front.r_edges_mm), np.array(back.r_edges_mm))
    elif isinstance(front, CartesianLayer) and isinstance(back, CartesianLayer):
        slow = _overlaps(np.array(front.x_edges_mm), np.array(back.x_edges_mm))
        fast = _overlaps(np.array(front.y_edges_mm), np.array(back.y_edges_mm))
    else:
        raise CaloforgeError(
            f"Layer '{back.name}' follows on layer '{front.name}' with a grid of the other kind, expected cylindrical "
            "or cartesian layers only; cluster their layers apart."
        )
    pairs = [grid[:, None] * layer.shape[1] for grid, layer in zip(slow.T, (front, back), strict=True)]
    return np.stack([(one + two).ravel() for one, two in zip(pairs, fast.T, strict=True)], axis=1)


def _overlaps(one: Floats, two: Floats) -> Pairs:
    """Pairs (i, j) of bins of two sets of edges that have more in common than rounding explains."""
    least = 1e-9 * max(one[-1] - one[0], two[-1] - two[0])
    common = np.minimum(one[1:, None], two[None, 1:]) - np.maximum(one[:-1, None], two[None, :-1])
    return np.argwhere(common > least)


@lru_cache(maxsize=16)
def _earlier_neighbours(detector: Detector) -> tuple[Pairs, Pairs]:
    """Where the neighbours with a smaller index of each cell begin (V + 1,), and the neighbours."""
    pairs = cell_neighbours(detector)
    order = np.argsort(pairs[:, 1], kind="stable")
    counts = np.bincount(pairs[:, 1], minlength=detector.n_voxels)
    return np.concatenate([[0], np.cumsum(counts)]), np.ascontiguousarray(pairs[order, 0])


@lru_cache(maxsize=16)
def _centres(detector: Detector) -> Floats:
    depth = detector.layer_of_voxel.astype(np.float64)
    return np.ascontiguousarray(np.stack([detector.x_mm, detector.y_mm, depth], axis=1))
