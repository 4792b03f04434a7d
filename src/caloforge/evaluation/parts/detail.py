"""What a classifier's probabilities say beyond one number: where the model is wrong, and at which energies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.by_energy import auc_by_energy, energy_edges
from caloforge.evaluation.case import Case, Rows
from caloforge.evaluation.weights import weight_table, weights_of

ENOUGH = 20
"""Generated showers without which weights say nothing."""


@dataclass(frozen=True)
class Told:
    """Calibrated probabilities (n,) that showers of the given rows are Geant4's, of both sides."""

    classifier: str
    reference_rows: Rows
    reference: NDArray[np.float64]
    rows: Rows
    generated: NDArray[np.float64]


def detail(case: Case, name: str, told: Told, floor: float | None) -> None:
    """Fill weights and AUC by energy of a sample from one classifier's probabilities."""
    one, two = case.reference.features[told.reference_rows], case.samples[name].features[told.rows]
    sides = (one.incident_energy_mev, told.reference), (two.incident_energy_mev, told.generated)
    edges = energy_edges(case.reference.features.incident_energy_mev)
    case.found[name]["auc_by_energy"] = auc_by_energy(*sides, edges, floor)
    if len(two) >= ENOUGH:
        case.found[name]["weights"] = weight_table(told.classifier, two, told.generated)
        case.weights[name] = (weights_of(told.reference), weights_of(told.generated))
