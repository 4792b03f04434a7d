"""What the figures of the report are drawn from, taken out of a case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from caloforge.evaluation.arrays import REFERENCE, Arrays
from caloforge.evaluation.case import Case
from caloforge.evaluation.sample import Sample, rows_of, thresholded
from caloforge.showers import Showers

SHOWN = (0.1, 0.5, 0.9)
"""Quantiles of the reference's incident energies at which a shower is shown."""


def arrays_of(case: Case) -> Arrays:
    """Samples, histograms, distances, weights and a few whole showers of a case."""
    shown = {REFERENCE: case.reference, **case.judged()}
    energies = np.quantile(case.reference.features.incident_energy_mev, SHOWN)
    return Arrays(
        case.reference,
        case.samples,
        case.comparisons,
        case.floor_comparisons,
        case.distances,
        case.weights,
        case.correlations,
        {name: _nearest(sample, energies, case.reference.threshold_mev) for name, sample in shown.items()},
    )


def _nearest(sample: Sample, energies: np.ndarray, threshold_mev: float) -> Showers:
    """For each incident energy in MeV the shower nearest to it, above the threshold."""
    known = np.asarray(sample.features.incident_energy_mev, dtype=np.float64)
    rows = np.array([int(np.argmin(np.abs(known - energy))) for energy in energies], dtype=np.int64)
    showers = rows_of(sample.source, rows)
    return replace(showers, deposits_mev=thresholded(showers, threshold_mev))
