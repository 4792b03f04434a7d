"""FPD and KPD of every sample, and of Geant4 against Geant4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.case import Case
from caloforge.evaluation.feature_pairs import COMPARABLE_SHOWERS
from caloforge.evaluation.frechet import FrechetSettings, fpd
from caloforge.evaluation.kernel_distance import KernelSettings, kpd

SEED = 42
"""Of the batches, whatever the seed of the evaluation: the CaloChallenge's own."""
FEWEST = 20
LARGEST = 50_000
Vectors = NDArray[np.float64]


def run(case: Case) -> None:
    """Fill `fpd` and `kpd` of every sample with their floors."""
    if case.n < FEWEST:
        case.notes.append(f"No FPD and KPD of {case.n} showers: at least {FEWEST} are needed.")
        return
    protocol, n = case.protocol, case.n
    least = protocol.fpd_min_samples or min(max(n // 5, 4), LARGEST // 5)
    most = LARGEST if protocol.fpd_min_samples else min(max(n, 2 * least), LARGEST)
    frechet = FrechetSettings(least, most)
    kernel = KernelSettings(protocol.kpd_batch or min(max(n // 2, 2), 10_000))
    methods: dict[str, Callable[[Vectors, Vectors], tuple[float, float]]] = {
        "fpd": lambda a, b: fpd(a, b, SEED, frechet),
        "kpd": lambda a, b: kpd(a, b, SEED, kernel),
    }
    pair = case.geant4_pair(n)
    case.note_of_halves(pair, n, "FPD and KPD")
    with case.watch.stage("fpd", 2 * (len(case.samples) + (pair is not None)), "distances") as advance:
        floors: dict[str, tuple[float, float]] = {}
        if pair is not None and pair.n >= FEWEST:
            sides = [
                case.for_classifiers(side).features[rows].vector(protocol.vector)
                for side, rows in ((pair.one, pair.one_rows), (pair.two, pair.two_rows))
            ]
            for key, method in methods.items():
                floors[key] = method(*sides)
                advance(1)
        first = slice(0, n)
        reference = case.for_classifiers(case.reference).features[first].vector(protocol.vector)
        for name, sample in case.samples.items():
            generated = case.for_classifiers(sample).features[first].vector(protocol.vector)
            for key, method in methods.items():
                found = method(reference, generated)
                case.found[name][key] = _entry(found, floors.get(key), n, pair.n if key in floors and pair else 0)
                advance(1)
    case.results["distance_settings"] = {
        "fpd": {"min_samples": frechet.min_samples, "max_samples": frechet.max_samples, "batches": frechet.batches},
        "kpd": {"batch_size": kernel.batch_size, "batches": kernel.batches},
    }


def _entry(found: tuple[float, float], floor: tuple[float, float] | None, n: int, floor_n: int) -> dict[str, Any]:
    value, error = floor or (None, None)
    return {
        "value": found[0],
        "error": found[1],
        "floor": value,
        "floor_error": error,
        "n": n,
        "floor_n": floor_n,
        "comparable": n >= COMPARABLE_SHOWERS,
    }
