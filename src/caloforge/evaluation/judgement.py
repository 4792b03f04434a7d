"""Everything that judging found, for the result file, the tables and the plots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.case import Case
from caloforge.evaluation.panel import Verdict
from caloforge.evaluation.protocol import Protocol
from caloforge.evaluation.sample import Sample
from caloforge.observables import Comparison


@dataclass
class Judgement:
    """All that was found, as plots and tables need it."""

    protocol: Protocol
    reference: Sample
    training: Sample | None
    others: dict[str, Sample]
    comparisons: dict[str, dict[str, Comparison]]
    verdicts: dict[str, dict[str, Verdict]]
    distances: dict[str, NDArray[np.float64]]
    results: dict[str, Any] = field(default_factory=dict)


def judgement_of_case(case: Case) -> Judgement:
    """In the form of the earlier result file."""
    from caloforge.evaluation.results import entries

    results, found = case.results, entries(case.results)
    samples = {
        name: {
            **entry,
            "separation": {key: {"value": one["value"]} for key, one in entry.get("separation_power", {}).items()},
        }
        for name, entry in found.items()
    }
    first = next(iter(found.values()))
    classifiers = first.get("classifiers", {})
    auc = {k: {"mean": v["floor"], "spread": v["floor_spread"]} for k, v in classifiers.items() if v["floor"]}
    floors = {
        key: {"mean": one["floor"]}
        for key, one in first.get("separation_power", {}).items()
        if one["floor"] is not None
    }
    old = {
        **results,
        "samples": samples,
        "floor": {"classifiers": {**results.get("floor_of_classifiers", {}), "auc": auc}, "separation": floors},
        "training_showers": results["showers"]["training"],
        "showers_per_separation": case.n,
        "showers_per_class": next(iter(classifiers.values()))["n"] if classifiers else 0,
    }
    old["protocol"] = {**results["protocol"], **(results["protocol"]["panel"] or {})}
    verdicts: dict[str, dict[str, Verdict]] = {name: {} for name in found} if classifiers else {}
    return Judgement(
        case.protocol, case.reference, case.training, case.samples, case.comparisons, verdicts, case.distances, old
    )
