"""What a classifier's probabilities say beyond one number: where the model is wrong, and at which energies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.case import Case, Rows
from caloforge.evaluation.energy_bins import auc_by_energy, energy_bins
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.weights import weight_table, weights_of

ENOUGH = 20
"""Generated showers without which weights say nothing."""
FEWEST = 5
"""Showers of an energy bin without which its AUC says nothing."""


@dataclass(frozen=True)
class Told:
    """Calibrated probabilities (n,) that showers are Geant4's, of a Geant4 sample and of another, with their rows."""

    classifier: str
    reference: Sample
    reference_rows: Rows
    reference_probabilities: NDArray[np.float64]
    other: Sample
    rows: Rows
    probabilities: NDArray[np.float64]

    def pooled(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
        """Probabilities of both, whether a shower is of the first, and incident energies in MeV."""
        energies = [
            np.asarray(sample.features.incident_energy_mev, dtype=np.float64)[rows]
            for sample, rows in ((self.reference, self.reference_rows), (self.other, self.rows))
        ]
        scores = np.concatenate([self.reference_probabilities, self.probabilities])
        return scores, np.arange(len(scores)) < len(self.reference_rows), np.concatenate(energies)


def detail(case: Case, name: str, told: Told, floors: Sequence[Told]) -> None:
    """Fill weights and AUC by energy of a sample from one classifier; floors: what it says of Geant4 beside Geant4."""
    edges = energy_bins(case.reference.features.incident_energy_mev)
    floor: list[dict[str, Any]] | None = None
    if floors:
        scores, labels, energies = (
            np.concatenate(parts) for parts in zip(*(one.pooled() for one in floors), strict=True)
        )
        floor = auc_by_energy(scores, labels, energies, edges, resamplings=2)
    found = auc_by_energy(*told.pooled(), edges, floor, seed=case.seed)
    case.found[name]["auc_by_energy"] = [entry for entry in found if entry["n"] >= FEWEST]
    if len(told.rows) >= ENOUGH:
        features = told.other.features[told.rows]
        case.found[name]["weights"] = weight_table(told.classifier, features, told.probabilities)
        case.weights[name] = (weights_of(told.reference_probabilities), weights_of(told.probabilities))
