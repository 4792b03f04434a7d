"""Which of several generated samples Geant4's showers look like most."""

from __future__ import annotations

from caloforge.evaluation.case import Case
from caloforge.evaluation.multiclass import FEWEST, multiclass


def run(case: Case) -> None:
    """Fill `multiclass` of the whole evaluation; needs two generated samples, of which naive ones are none."""
    samples = case.judged()
    if len(samples) < 2 or case.n < FEWEST:
        return
    first, kind = slice(0, case.n), case.protocol.vector
    with case.watch.stage("multiclass", 1, "trainings") as advance:
        vectors = {name: case.for_classifiers(sample).features[first].vector(kind) for name, sample in samples.items()}
        reference = case.for_classifiers(case.reference).features[first].vector(kind)
        case.results["multiclass"] = multiclass(reference, vectors, seed=case.seed).as_dict()
        advance(1)
