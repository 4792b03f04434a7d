"""Classifiers of protocol small-n: the panel on every sample, its floor, and how its verdict grows with n."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.case import NAIVE, Case
from caloforge.evaluation.floors import Floor, expected_floor, measured_floor, stored_floor
from caloforge.evaluation.panel import HEADLINE, judge
from caloforge.evaluation.parts.detail import Told, detail
from caloforge.evaluation.protocol import Panel
from caloforge.evaluation.sample import Sample, affordable_rows, paired
from caloforge.evaluation.scores import indistinguishable
from caloforge.evaluation.watch import Advance
from caloforge.randomness import numpy_generator

FIRST = 250
"""Showers a class at which the growth of the AUC begins."""


def run(case: Case) -> None:
    """Fill classifiers, weights, AUC by energy and against n, and whether a sample can be told from Geant4."""
    settings = case.protocol.panel
    assert settings is not None
    if case.repeats is not None:
        settings = replace(settings, seeds=case.repeats)
    n = min(case.n, settings.rows, affordable_rows(case.detector))
    kinds = 3 if case.detector.symmetries() else 2
    sizes = _sizes(case, n)
    total = kinds * (len(case.samples) * settings.seeds + settings.floor_splits + len(case.judged()) * len(sizes))
    with case.watch.stage("classifiers", total, "trainings") as advance:
        floor = _floor(case, settings, n, kinds, advance)
        beside = [
            Told(HEADLINE, pair.one, pair.one_rows, best.reference, pair.two, pair.two_rows, best.generated)
            for pair, best in floor.verdicts
        ]
        for name, sample in case.samples.items():
            rows, other = _choose(case.reference, sample, n, case.seed)
            verdicts = judge(case.reference, rows, sample, other, settings, case.seed, done=advance)
            entry = case.found[name]
            entry["classifiers"] = {
                kind: {
                    **verdict.as_dict(),
                    "floor": floor.auc.get(kind, (None, None))[0],
                    "floor_spread": floor.auc.get(kind, (None, None))[1],
                    "floor_error": floor.error(kind),
                    "floor_n": floor.n,
                    "floor_jsd": floor.jsd.get(kind),
                }
                for kind, verdict in verdicts.items()
            }
            best = verdicts[HEADLINE]
            sigma = float(np.hypot(best.auc_error, floor.error(HEADLINE) or 0.0))
            entry["indistinguishable"] = indistinguishable(best.auc, floor.auc[HEADLINE][0], sigma)
            entry["auc_against_n"] = {str(n): [best.auc, best.auc_error]}
            if name in NAIVE:
                continue
            entry["auc_against_n"] = {**_growth(case, settings, sample, sizes, advance), **entry["auc_against_n"]}
            told = Told(HEADLINE, case.reference, rows, best.reference, sample, other, best.generated)
            detail(case, name, told, beside)
    case.results["floor_of_classifiers"] = {"n": floor.n, "source": floor.source, "draws": floor.draws}


def _floor(case: Case, settings: Panel, n: int, kinds: int, advance: Advance) -> Floor:
    if settings.floor_splits:
        pairs = [case.geant4_pair(n, draw) for draw in range(settings.floor_splits)]
        known = [pair for pair in pairs if pair is not None]
        if known and known[0].n >= settings.folds:
            case.note_of_halves(known[0], n, "the classifiers")
            return measured_floor(known, settings, case.seed, advance)
    found = stored_floor(case.reference, n) if not settings.floor_splits else None
    if found is not None:
        return found
    expected = expected_floor(n, kinds)
    case.notes.append(
        f"No Geant4-against-Geant4 floor at n = {n}: the expected AUC of the largest of {kinds}, "
        f"{expected.auc[HEADLINE][0]:.3f}, is shown."
    )
    return expected


def _sizes(case: Case, n: int) -> list[int]:
    """250, 500, ... showers a class below n; none in the quick form."""
    found: list[int] = []
    while not case.protocol.quick and FIRST << len(found) < n:
        found.append(FIRST << len(found))
    return found


def _growth(case: Case, settings: Panel, sample: Sample, sizes: list[int], advance: Advance) -> dict[str, list[float]]:
    """Headline AUC and error of one seed by the number of showers a class."""
    found = {}
    for size in sizes:
        rows, other = _choose(case.reference, sample, size, case.seed)
        one = judge(case.reference, rows, sample, other, settings, case.seed, seeds=1, done=advance)[HEADLINE]
        found[str(size)] = [one.auc, one.auc_error]
    return found


def _choose(reference: Sample, other: Sample, n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """n rows of both; the same rows where the energies agree row by row."""
    rng = numpy_generator(seed, "evaluation.rows", n)
    rows = np.sort(rng.choice(len(reference), n, replace=False))
    twins = paired(reference, other)
    return rows, rows if twins else np.sort(rng.choice(len(other), n, replace=False))
