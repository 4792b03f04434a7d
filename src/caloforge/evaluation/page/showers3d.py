"""A few whole showers, packed for the view that turns them."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from caloforge.detectors import CylindricalLayer, Detector, Layer
from caloforge.showers import Showers

MOST = 2500
EACH = 6


def packed(examples: Mapping[str, Showers]) -> dict[str, Any]:
    """Geometry and the brightest voxels of up to six showers of each sample: numbers of voxels in 16 or 32 bits, their
    energies in 8 bits between the smallest and the largest, in a log.
    """
    detector = next(iter(examples.values())).detector
    deposits = {name: np.asarray(one.deposits_mev[:EACH], dtype=np.float64) for name, one in examples.items()}
    seen = np.concatenate([part[part > 0] for part in deposits.values()])
    top = float(seen.max()) if len(seen) else 1.0
    bottom = max(float(seen.min()) if len(seen) else 0.1, detector.threshold_mev, top * 1e-6)
    bottom = min(bottom, top / 10)
    return {
        "layers": [_layer(layer, z) for layer, z in zip(detector.layers, _depths(detector), strict=True)],
        "low": bottom,
        "high": top,
        "wide": detector.n_voxels > 65535,
        "samples": [
            {
                "name": "Geant4" if name == "reference" else name,
                "showers": [
                    _shower(row, float(energy), bottom, top, detector.n_voxels > 65535)
                    for row, energy in zip(deposits[name], one.incident_energy_mev[:EACH], strict=True)
                ],
            }
            for name, one in examples.items()
        ],
    }


def _shower(row: Any, energy_mev: float, bottom: float, top: float, wide: bool) -> dict[str, Any]:
    hit = np.flatnonzero(row >= bottom)
    shown = np.sort(hit[np.argsort(-row[hit], kind="stable")[:MOST]])
    part = np.log(row[shown] / bottom) / math.log(top / bottom)
    level = np.clip(np.rint(255 * part), 0, 255).astype(np.uint8)
    voxels = shown.astype("<u4" if wide else "<u2")
    return {
        "energy": round(energy_mev, 3),
        "total": round(float(row.sum()), 4),
        "hits": len(hit),
        "shown": len(shown),
        "voxels": base64.b64encode(voxels.tobytes()).decode(),
        "levels": base64.b64encode(level.tobytes()).decode(),
    }


def _depths(detector: Detector) -> list[float]:
    """Where each layer is drawn along the axis in mm; evenly spaced where the detector does not say."""
    known = [
        (layer.front_mm + layer.back_mm) / 2
        for layer in detector.layers
        if layer.front_mm is not None and layer.back_mm is not None
    ]
    if len(known) == detector.n_layers:
        return [float(z) for z in known]
    reach = float(np.max(detector.r_mm))
    return [2.5 * reach * index / max(detector.n_layers - 1, 1) for index in range(detector.n_layers)]


def _layer(layer: Layer, z: float) -> dict[str, Any]:
    if isinstance(layer, CylindricalLayer):
        return {"z": round(z, 3), "n": layer.n_voxels, "r": list(layer.r_edges_mm), "a": layer.n_alpha}
    x, y = ([round(edge, 4) for edge in edges] for edges in (layer.x_edges_mm, layer.y_edges_mm))
    return {"z": round(z, 3), "n": layer.n_voxels, "x": x, "y": y}
