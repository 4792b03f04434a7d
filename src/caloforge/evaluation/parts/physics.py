"""Physics of every sample beside Geant4's in bins of incident energy, and the correlations of its features."""

from __future__ import annotations

from caloforge.evaluation.case import Case
from caloforge.evaluation.energy_bins import energy_bins
from caloforge.evaluation.parts import correlated
from caloforge.evaluation.physics import compare_physics, gather_physics


def run(case: Case) -> None:
    """Fill `correlations` and `physics` of every sample."""
    correlated.run(case)
    edges = energy_bins(case.reference.features.incident_energy_mev)
    with case.watch.stage("physics", 1 + len(case.samples), "samples") as advance:
        cells = 10.0 * case.detector.threshold_mev
        known = gather_physics(case.reference, cells)
        advance(1)
        for name, sample in case.samples.items():
            case.found[name]["physics"] = compare_physics(known, gather_physics(sample, cells), edges)
            advance(1)
