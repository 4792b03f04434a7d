"""Longitudinal and brightness observables of detectors that the CaloChallenge does not know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CartesianLayer, Detector
from caloforge.observables.names import layer_label
from caloforge.observables.sums import LayerSums

Array = NDArray[np.floating]
MANY_LAYERS = 10


def _safe(numerator: Array, denominator: Array) -> Array:
    """Quotient that is 0 where nothing was deposited."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def profile(sums: LayerSums, detector: Detector) -> dict[str, Array]:
    """Observables (N,) by name of showers whose sums over the layers are given; {} on polar grids.

    Energy fractions of the layers, depth-weighted energy, shower depth and its width (arXiv 1705.02355), contrast of
    the two brightest voxels of a layer, fraction in the brightest voxel. With ten layers and more also the number of
    hits, visible energy, first and second moments in x, y, z and energy fractions of the three thirds in depth;
    the fractions and contrasts of single layers are then left out. Empty showers and layers give 0.
    """
    if not isinstance(detector.layers[0], CartesianLayer):
        return {}
    energies = sums.energy
    total = energies.sum(axis=0)
    k = np.arange(detector.n_layers, dtype=np.float64)
    weighted = k @ energies
    depth = _safe(weighted, total)
    found: dict[str, Array] = {
        "Depth-weighted energy": weighted,
        "Shower depth": depth,
        "Shower depth width": np.sqrt(np.clip(_safe(k**2 @ energies, total) - depth**2, 0.0, None)),
        "Brightest voxel fraction": _safe(sums.largest.max(axis=0), total),
    }
    if detector.n_layers < MANY_LAYERS:
        for index, layer in enumerate(detector.layers):
            label = layer_label(layer.name)
            found[f"Energy fraction layer {label}"] = _safe(energies[index], total)
            if layer.n_voxels > 1:
                one, two = sums.largest[index], sums.second[index]
                found[f"Brightest contrast layer {label}"] = _safe(one - two, one + two)
        return found
    found["Number of hits"] = sums.hits.sum(axis=0)
    factors = np.ones(detector.n_layers) if detector.calibration is None else np.asarray(detector.calibration)
    found["Visible energy"] = factors @ energies
    z = np.array([positions[0] for positions in np.split(detector.z_mm, detector.offsets[1:-1])])
    for axis, first, second in (
        ("x", sums.x.sum(axis=0), sums.xx.sum(axis=0)),
        ("y", sums.y.sum(axis=0), sums.yy.sum(axis=0)),
        ("z", z @ energies, z**2 @ energies),
    ):
        if axis == "z" and not np.all(np.isfinite(z)):
            continue
        mean = _safe(first, total)
        found[f"First moment {axis}"] = mean
        found[f"Second moment {axis}"] = np.sqrt(np.clip(_safe(second, total) - mean**2, 0.0, None))
    for third, layers in enumerate(np.array_split(np.arange(detector.n_layers), 3)):
        found[f"Energy fraction third {third}"] = _safe(energies[layers].sum(axis=0), total)
    return found
