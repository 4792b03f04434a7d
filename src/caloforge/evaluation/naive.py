"""Two naive generators that stand in every table: a model must beat them to have learned anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Detector
from caloforge.randomness import numpy_generator
from caloforge.showers import Showers

Floats = NDArray[np.floating]
NEAREST, GAUSSIAN = "naive: nearest training shower", "naive: diagonal Gaussian"


def nearest_rescaled(training: Showers, incident_energy_mev: Floats, seed: int) -> Showers:
    """For each incident energy (N,) MeV one of the five training showers nearest in energy, scaled to it.

    Its marginals are nearly right; it has learned by heart, and the memorisation check must say so.
    """
    rng = numpy_generator(seed, "evaluation.naive.nearest")
    energies = np.asarray(training.incident_energy_mev, dtype=np.float64)
    order = np.argsort(energies, kind="stable")
    place = np.searchsorted(energies[order], incident_energy_mev)
    choice = np.clip(place + rng.integers(-2, 3, size=len(place)), 0, len(order) - 1)
    rows = order[choice]
    scale = np.asarray(incident_energy_mev, dtype=np.float64) / energies[rows]
    deposits = np.asarray(training.deposits_mev)[rows] * scale[:, None]
    return _showers(deposits, incident_energy_mev, training.detector)


def diagonal_gaussian(training: Showers, incident_energy_mev: Floats, seed: int) -> Showers:
    """For each incident energy (N,) MeV voxels drawn independently of one another, normal in their logarithm.

    Mean and variance of log10(voxel + threshold / 2) are fitted per voxel, quadratic and linear in log10 E_inc.
    """
    detector = training.detector
    rng = numpy_generator(seed, "evaluation.naive.gaussian")
    offset = max(detector.threshold_mev, 1e-6) / 2
    known = np.log10(np.asarray(training.incident_energy_mev, dtype=np.float64))
    wanted = np.log10(np.asarray(incident_energy_mev, dtype=np.float64))
    centre, spread = known.mean(), known.std() or 1.0
    design, target = (
        np.stack([np.ones_like(e), (e - centre) / spread, ((e - centre) / spread) ** 2], axis=1)
        for e in (known, wanted)
    )
    values = np.log10(np.asarray(training.deposits_mev, dtype=np.float64) + offset)
    mean = np.linalg.lstsq(design, values, rcond=None)[0]
    variance = np.linalg.lstsq(design[:, :2], (values - design @ mean) ** 2, rcond=None)[0]
    largest = values.max(axis=0)
    deposits = np.empty((len(wanted), detector.n_voxels), dtype=np.float32)
    for start in range(0, len(wanted), 1000):
        part = target[start : start + 1000]
        sigma = np.sqrt(np.clip(part[:, :2] @ variance, 0.0, None))
        drawn = part @ mean + sigma * rng.standard_normal(sigma.shape)
        deposits[start : start + 1000] = np.clip(10 ** np.minimum(drawn, largest + 0.5) - offset, 0.0, None)
    return _showers(deposits, incident_energy_mev, detector)


def _showers(deposits: Floats, energies: Floats, detector: Detector) -> Showers:
    deposits = np.where(deposits < detector.threshold_mev, 0.0, deposits).astype(np.float32)
    return Showers(np.asarray(energies), deposits, detector)
