"""Showers that stand in two samples, bit for bit: told by their features, whatever files or arrays they came from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.sample import Sample

ROWS = 10_000


def shower_marks(sample: Sample) -> NDArray[np.uint64]:
    """One number (n,) for each of the n showers with a deposit, from the bits of incident and layer energies.

    Equal showers have equal marks, others practically never.
    """
    features, parts = sample.features, []
    n_layers = features.layer_energy_mev.shape[1]
    factors = np.random.default_rng(0).integers(1 << 62, size=n_layers + 1, dtype=np.uint64) * np.uint64(2) + 1
    for start in range(0, len(sample), ROWS):
        rows = slice(start, start + ROWS)
        layers = np.asarray(features.layer_energy_mev[rows], dtype=np.float64)
        energy = np.asarray(features.incident_energy_mev[rows], dtype=np.float64)[:, None]
        bits = np.ascontiguousarray(np.hstack([energy, layers])).view(np.uint64)
        bits ^= bits >> np.uint64(29)
        marks = (bits * factors).sum(axis=1, dtype=np.uint64)
        parts.append(marks[layers.sum(axis=1) > 0])
    return np.concatenate(parts)


def common_showers(one: Sample, two: Sample) -> int:
    """How many showers with a deposit of the first sample also stand in the second."""
    return int(np.isin(shower_marks(one), shower_marks(two)).sum())


def repeated_showers(sample: Sample) -> int:
    """How many showers with a deposit repeat an earlier one of the sample."""
    marks = shower_marks(sample)
    return len(marks) - len(np.unique(marks))
