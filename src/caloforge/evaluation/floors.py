"""The floor of the panel: what the same procedure says of Geant4 against Geant4."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np

from caloforge.evaluation.case import Geant4Pair
from caloforge.evaluation.panel import HEADLINE, Verdict, judge
from caloforge.evaluation.protocol import Panel
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.scores import expected_error
from caloforge.observables import known_as
from caloforge.randomness import stream_seed

_LARGEST_OF = {1: 0.0, 2: math.pi**-0.5, 3: 1.5 * math.pi**-0.5}
"""Mean of the largest of so many standard normal values."""


@dataclass(frozen=True)
class Floor:
    """AUC and spread of one measurement by classifier, at n showers a class.

    source: where the showers come from, or 'stored', or 'expected' (by the formula). draws: repetitions;
    verdicts: the pairs and their headlines; jsd: mean divergence by classifier, where it was measured.
    """

    n: int
    source: str
    auc: dict[str, tuple[float, float]]
    draws: int = 0
    verdicts: tuple[tuple[Geant4Pair, Verdict], ...] = ()
    jsd: Mapping[str, float] = field(default_factory=dict)

    def error(self, kind: str) -> float | None:
        """Standard error of a classifier's mean AUC; None where it has no floor."""
        pair = self.auc.get(kind)
        return None if pair is None else pair[1] / math.sqrt(max(self.draws, 1))


def measured_floor(
    pairs: Iterable[Geant4Pair], settings: Panel, seed: int, done: Callable[[int], None] | None = None
) -> Floor:
    """Run the panel, one seed each, on several random pairs of Geant4 samples (at least one).

    Training showers may be one side because no model is involved.
    """
    found: dict[str, list[float]] = {}
    jsd: dict[str, list[float]] = {}
    headlines = []
    n, source = 0, ""
    for draw, pair in enumerate(pairs):
        one = stream_seed(seed, "evaluation.floor", draw)
        sides = pair.one, pair.one_rows, pair.two, pair.two_rows
        verdicts = judge(*sides, settings, one, seeds=1, bootstrap=0, done=done)
        for kind, verdict in verdicts.items():
            found.setdefault(kind, []).append(verdict.auc)
            jsd.setdefault(kind, []).append(verdict.jsd)
        headlines.append((pair, verdicts[HEADLINE]))
        n, source = pair.n, pair.source
    draws = len(found[HEADLINE])
    auc = {kind: (float(np.mean(v)), float(np.std(v, ddof=1)) if draws > 1 else 0.0) for kind, v in found.items()}
    return Floor(n, source, auc, draws, tuple(headlines), {kind: float(np.mean(v)) for kind, v in jsd.items()})


def stored_floor(reference: Sample, n: int) -> Floor | None:
    """The floor kept with the package for a preset and a number of showers, if there is one."""
    text = files("caloforge.evaluation").joinpath("floors.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    kept = stored["floors"].get(known_as(reference.detector), {}).get(str(n))
    if kept is None:
        return None
    return Floor(n, "stored", {kind: (pair[0], pair[1]) for kind, pair in kept.items()}, stored["draws"])


def expected_floor(n: int, classifiers: int) -> Floor:
    """What the headline of `classifiers` (1 to 3) is expected to be where no floor can be measured and none is stored.

    The largest of several independent normal values lies above their mean by `_LARGEST_OF` standard deviations; that of
    an AUC of n against n showers is `expected_error`.
    """
    error = expected_error(n)
    return Floor(n, "expected", {HEADLINE: (0.5 + _LARGEST_OF[classifiers] * error, error)})
