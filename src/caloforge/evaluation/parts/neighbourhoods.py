"""Precision, recall, density and coverage of every sample, and of Geant4 beside Geant4."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.case import Case, Rows
from caloforge.evaluation.prdc import Prdc, log_voxels, prdc
from caloforge.evaluation.sample import CHUNK_ROWS, Sample, rows_of


def run(case: Case) -> None:
    """Fill `prdc` of every sample with its floor."""
    k = case.protocol.prdc_k
    n = case.n if case.protocol.prdc_rows is None else min(case.n, case.protocol.prdc_rows)
    if n < k + 2:
        case.notes.append(f"No PRDC of {n} showers: at least {k + 2} are needed for k = {k}.")
        return
    threshold = case.protocol.classifier_threshold_mev(case.detector)
    first = np.arange(n, dtype=np.int64)
    pair = case.geant4_pair(n)
    case.note_of_halves(pair, n, "PRDC")
    with case.watch.stage("prdc", len(case.samples) + (pair is not None), "samples") as advance:
        floor: Prdc | None = None
        if pair is not None and pair.n >= k + 2:
            sides = (_voxels(pair.one, pair.one_rows, threshold), _voxels(pair.two, pair.two_rows, threshold))
            floor = prdc(*sides, k=k)
            advance(1)
        reference = _voxels(case.reference, first, threshold)
        for name, sample in case.samples.items():
            found = prdc(reference, _voxels(sample, first, threshold), k=k).as_dict(floor)
            case.found[name]["prdc"] = {**found, "floor_n": 0 if floor is None or pair is None else pair.n}
            advance(1)


def _voxels(sample: Sample, rows: Rows, threshold_mev: float) -> NDArray[np.float32]:
    """log10 of the voxels in MeV (n, V), gathered in chunks."""
    found = np.empty((len(rows), sample.detector.n_voxels), dtype=np.float32)
    for start in range(0, len(rows), CHUNK_ROWS):
        showers = rows_of(sample.source, rows[start : start + CHUNK_ROWS])
        found[start : start + len(showers)] = log_voxels(showers.deposits_mev, threshold_mev)
    return found
