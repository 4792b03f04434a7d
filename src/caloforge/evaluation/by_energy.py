"""How well a classifier tells showers apart in bins of the incident energy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.scores import auc, expected_error
from caloforge.observables import discrete_energies

Floats = NDArray[np.floating]
FEWEST = 10
"""Showers of each side without which a bin says nothing."""


def auc_by_energy(
    reference: tuple[Floats, Floats], generated: tuple[Floats, Floats], edges: Floats, floor: float | None
) -> list[dict[str, Any]]:
    """AUC and its error in every bin of energy, for a result file.

    reference, generated: incident energies (n,) in MeV and the classifier's scores (n,) of each side. edges: (B + 1,)
    in MeV; the last bin holds its upper edge. floor: AUC of Geant4 against Geant4 at all energies. Bins with fewer than
    ten showers of a side are left out. Error: sqrt((2n + 1) / (12 n^2)) for n of the smaller side.
    """
    found = []
    for low, high in pairwise(np.asarray(edges, dtype=np.float64)):
        last = high == edges[-1]
        sides = [scores[(e >= low) & ((e <= high) if last else (e < high))] for e, scores in (reference, generated)]
        n = min(len(side) for side in sides)
        if n < FEWEST:
            continue
        labels = np.arange(sum(map(len, sides))) < len(sides[0])
        entry = {"low_mev": float(low), "high_mev": float(high), "n": n, "auc": auc(np.concatenate(sides), labels)}
        found.append({**entry, "auc_error": expected_error(n), "floor": floor})
    return found


def energy_edges(incident_energy_mev: Floats, bins: int = 4) -> NDArray[np.float64]:
    """Edges (B + 1,) in MeV of bins with equally many showers; one for each energy where there are only a few."""
    energies = np.asarray(incident_energy_mev, dtype=np.float64)
    single = discrete_energies(energies)
    if len(single) > 1:
        between = np.sqrt(single[1:] * single[:-1])
        return np.concatenate([[single[0] * (1 - 1e-6)], between, [single[-1] * (1 + 1e-6)]])
    if len(single) == 1:
        return np.array([single[0] * (1 - 1e-6), single[0] * (1 + 1e-6)])
    return np.unique(np.quantile(energies, np.linspace(0.0, 1.0, bins + 1)))
