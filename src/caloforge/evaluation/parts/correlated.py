"""Correlations of the features of every sample, and how much they differ from Geant4's."""

from __future__ import annotations

from caloforge.evaluation.arrays import NAMES, REFERENCE
from caloforge.evaluation.case import Case
from caloforge.evaluation.correlations import CorrelationDifference, compare_correlations, correlations

FEWEST = 3


def run(case: Case) -> None:
    """Fill `correlations` of every sample with their floor."""
    n = case.n
    if n < FEWEST:
        return
    first = slice(0, n)
    pair = case.geant4_pair(n)
    case.note_of_halves(pair, n, "the correlations")
    with case.watch.stage("correlations", len(case.samples) + 1, "samples") as advance:
        floor: CorrelationDifference | None = None
        if pair is not None and pair.n >= FEWEST:
            sides = ((pair.one, pair.one_rows), (pair.two, pair.two_rows))
            floor = compare_correlations(*(correlations(side.features[rows]) for side, rows in sides))
        known = correlations(case.reference.features[first])
        case.correlations[NAMES], case.correlations[REFERENCE] = list(known.names), known.matrix
        advance(1)
        for name, sample in case.samples.items():
            found = correlations(sample.features[first])
            case.correlations[name] = found.matrix
            case.found[name]["correlations"] = compare_correlations(known, found).as_dict(floor)
            advance(1)
