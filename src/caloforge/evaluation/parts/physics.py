"""Physics of every sample beside Geant4's in bins of incident energy, and the correlations of its features."""

from __future__ import annotations

from caloforge.evaluation.case import Case
from caloforge.evaluation.parts import correlated


def run(case: Case) -> None:
    """Fill `correlations` and `physics` of every sample."""
    correlated.run(case)
