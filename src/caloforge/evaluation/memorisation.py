"""Does a generator repeat its training showers? Nearest neighbours, scale and symmetry of the detector aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Detector

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Memorisation:
    """close: fraction of the generated showers that are nearer to a training shower than 99 % of unseen Geant4 ones
    are (1 % is expected); median_ratio: median nearest distance over that of unseen Geant4 showers; found: verdict."""

    close: float
    median_ratio: float
    found: bool

    def as_dict(self) -> dict[str, float | bool]:
        """For a result file."""
        return dict(vars(self))


def nearest_distances(showers_mev: Floats, training_mev: Floats, detector: Detector) -> NDArray[np.float64]:
    """Distance of each shower (N, V) to the nearest of the training showers (M, V) and their mirror images, (N,).

    Distance (Hellinger's) between the square roots of the energy fractions of the voxels: from 0 to sqrt 2.
    """
    query, known = _roots(showers_mev), _roots(training_mev)
    orders = [np.arange(detector.n_voxels), *detector.symmetries().values()]
    best = np.full(len(query), -np.inf)
    for order in orders:
        turned = query[:, order]
        for start in range(0, len(known), 2000):
            best = np.maximum(best, (turned @ known[start : start + 2000].T).max(axis=1))
    return np.sqrt(np.clip(2.0 - 2.0 * best, 0.0, None))


def _roots(deposits: Floats) -> NDArray[np.float64]:
    values = np.sqrt(np.asarray(deposits, dtype=np.float64))
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    np.divide(values, norm, out=values, where=norm > 0)
    return values


def memorisation(generated: NDArray[np.float64], reference: NDArray[np.float64]) -> Memorisation:
    """Verdict from the nearest distances of generated and of unseen Geant4 showers to the same training showers."""
    limit = float(np.quantile(reference, 0.01))
    close = float(np.mean(generated < limit))
    ratio = float(np.median(generated) / max(float(np.median(reference)), 1e-12))
    n = len(generated)
    return Memorisation(close, ratio, bool(close > 0.01 + 5 * np.sqrt(0.01 * 0.99 / n) + 0.02))
