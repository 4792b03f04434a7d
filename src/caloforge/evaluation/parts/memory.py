"""Does a model repeat its training showers? Nearest neighbours among them, beside those of unseen Geant4 showers."""

from __future__ import annotations

import numpy as np

from caloforge.evaluation.case import Case
from caloforge.evaluation.memorisation import memorisation, nearest_distances
from caloforge.evaluation.sample import affordable_rows, rows_of, thresholded

NEIGHBOURS = 1000
"""Showers of a sample whose neighbours are looked for."""


def run(case: Case) -> None:
    """Fill `memorisation` of every sample; needs the training showers."""
    if case.training is None:
        return
    known = np.arange(min(len(case.training), affordable_rows(case.detector)), dtype=np.int64)
    threshold = case.reference.threshold_mev
    samples = {"reference": case.reference, **case.samples}
    with case.watch.stage("memorisation", len(samples), "samples") as advance:
        trained = thresholded(rows_of(case.training.source, known), threshold)
        for name, sample in samples.items():
            rows = np.arange(min(len(sample), NEIGHBOURS), dtype=np.int64)
            queries = thresholded(rows_of(sample.source, rows), threshold)
            case.distances[name] = nearest_distances(queries, trained, case.detector)
            advance(1)
    for name in case.samples:
        found = memorisation(case.distances[name], case.distances["reference"])
        case.found[name]["memorisation"] = found.as_dict()
