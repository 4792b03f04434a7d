"""Longitudinal and brightness observables of detectors that the CaloChallenge does not know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CartesianLayer, Detector
from caloforge.observables.names import layer_label

Array = NDArray[np.floating]
MANY_LAYERS = 10


def _safe(numerator: Array, denominator: Array) -> Array:
    """Quotient that is 0 where nothing was deposited."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def profile(deposits_mev: Array, layer_energy_mev: Array, detector: Detector) -> dict[str, Array]:
    """Observables (N,) by name of showers (N, V) above threshold, whose layer energies are (N, L); {} on polar grids.

    Energy fractions of the layers, depth-weighted energy, shower depth and its width (arXiv 1705.02355), contrast of
    the two brightest voxels of a layer, fraction in the brightest voxel. With ten layers and more also the number of
    hits, visible energy, first and second moments in x, y, z and energy fractions of the three thirds in depth;
    the fractions and contrasts of single layers are then left out. Empty showers and layers give 0.
    """
    if not isinstance(detector.layers[0], CartesianLayer):
        return {}
    energies = np.asarray(layer_energy_mev, dtype=np.float64)
    total = energies.sum(axis=1)
    k = np.arange(detector.n_layers, dtype=np.float64)
    weighted = energies @ k
    depth = _safe(weighted, total)
    found: dict[str, Array] = {
        "Depth-weighted energy": weighted,
        "Shower depth": depth,
        "Shower depth width": np.sqrt(np.clip(_safe(energies @ k**2, total) - depth**2, 0.0, None)),
        "Brightest voxel fraction": _safe(deposits_mev.max(axis=1).astype(np.float64), total),
    }
    if detector.n_layers < MANY_LAYERS:
        for index, part in enumerate(detector.slices):
            label = layer_label(detector.layers[index].name)
            found[f"Energy fraction layer {label}"] = _safe(energies[:, index], total)
            if detector.layers[index].n_voxels > 1:
                two = np.partition(deposits_mev[:, part], -2, axis=1)[:, -2:].astype(np.float64)
                found[f"Brightest contrast layer {label}"] = _safe(two[:, 1] - two[:, 0], two[:, 1] + two[:, 0])
        return found
    found["Number of hits"] = np.count_nonzero(deposits_mev, axis=1).astype(np.float64)
    visible = energies if detector.calibration is None else energies * np.asarray(detector.calibration)
    found["Visible energy"] = visible.sum(axis=1)
    for axis, position in (("x", detector.x_mm), ("y", detector.y_mm), ("z", detector.z_mm)):
        if not np.all(np.isfinite(position)):
            continue
        mean = _safe(np.asarray(deposits_mev @ position, dtype=np.float64), total)
        square = _safe(np.asarray(deposits_mev @ position**2, dtype=np.float64), total)
        found[f"First moment {axis}"] = mean
        found[f"Second moment {axis}"] = np.sqrt(np.clip(square - mean**2, 0.0, None))
    for third, layers in enumerate(np.array_split(np.arange(detector.n_layers), 3)):
        found[f"Energy fraction third {third}"] = _safe(energies[:, layers].sum(axis=1), total)
    return found
