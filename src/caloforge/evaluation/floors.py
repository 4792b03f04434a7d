"""The floor of the classifiers: what the same procedure says of Geant4 against Geant4."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from caloforge.evaluation.panel import HEADLINE, judge
from caloforge.evaluation.protocols import Protocol
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.scores import expected_error
from caloforge.observables import known_as
from caloforge.randomness import numpy_generator, stream_seed


@dataclass(frozen=True)
class Floor:
    """AUC and spread by classifier at n showers a class; source: 'measured', 'stored' or 'expected' (0.5, formula)."""

    n: int
    source: str
    auc: dict[str, tuple[float, float]]


def measured_floor(reference: Sample, training: Sample, n: int, protocol: Protocol, seed: int, splits: int) -> Floor:
    """Run the panel, one seed each, on `splits` random choices of n reference and n training showers.

    The training showers may be one side because no model is involved.
    """
    found: dict[str, list[float]] = {}
    for split in range(splits):
        rng = numpy_generator(seed, "evaluation.floor", split)
        rows = [np.sort(rng.choice(len(side), n, replace=False)) for side in (reference, training)]
        one = stream_seed(seed, "evaluation.floor", split)
        verdicts = judge(reference, rows[0], training, rows[1], protocol, one, seeds=1, bootstrap=0)
        for kind, verdict in verdicts.items():
            found.setdefault(kind, []).append(verdict.auc)
    return Floor(n, "measured", {k: (float(np.mean(v)), float(np.std(v, ddof=1))) for k, v in found.items()})


def stored_floor(reference: Sample, n: int) -> Floor | None:
    """The floor kept with the package for a preset and a number of showers, if there is one."""
    text = files("caloforge.evaluation").joinpath("floors.json").read_text(encoding="utf-8")
    kept = json.loads(text)["floors"].get(known_as(reference.detector), {}).get(str(n))
    return None if kept is None else Floor(n, "stored", {kind: (pair[0], pair[1]) for kind, pair in kept.items()})


def expected_floor(n: int) -> Floor:
    """0.5 and the error of an AUC of n against n, where no floor can be measured and none is stored."""
    return Floor(n, "expected", {HEADLINE: (0.5, expected_error(n))})
