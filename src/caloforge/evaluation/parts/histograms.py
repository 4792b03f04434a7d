"""Separation powers of every observable, each beside that of Geant4 against Geant4."""

from __future__ import annotations

from typing import Any

import numpy as np

from caloforge.evaluation.case import Case, Rows
from caloforge.evaluation.separations import VOXELS, Binned, separations
from caloforge.observables import BINNINGS, Comparison, as_lists, floor_scale
from caloforge.observables.separation import RESAMPLINGS


def run(case: Case) -> None:
    """Fill `separation_power` of every sample, the bins, and the comparisons for the figures."""
    reference, n = case.reference, case.n
    assert reference.voxels is not None
    edges = reference.voxels[0]
    training = case.training.features if case.training is not None else None
    bins = BINNINGS[case.protocol.binning].edges(case.detector, reference.features, training)
    whole = Binned.of(reference, edges)
    first = whole.rows(slice(0, n))
    with case.watch.stage("histograms", len(case.samples) + case.protocol.separation_splits, "samples") as advance:
        for name, sample in case.samples.items():
            other = Binned.of(sample, edges).rows(slice(0, n))
            case.comparisons[name] = separations(first, other, bins, edges, reference, seed=case.seed)
            advance(1)
        floors = _floors(case, bins, edges, advance)
    for name, compared in case.comparisons.items():
        case.found[name]["separation_power"] = {
            key: _entry(one, *floors.get(key, (None, None, None))) for key, one in compared.items()
        }
    case.results["bins"] = as_lists({**bins, VOXELS: edges})


def _entry(one: Comparison, floor: float | None, spread: float | None, chi2: float | None) -> dict[str, Any]:
    return {
        "value": one.separation,
        "error": one.error,
        "floor": floor,
        "floor_spread": spread,
        "chi2_ndf": one.chi2_ndf,
        "chi2_ndf_floor": chi2,
        "wasserstein": one.wasserstein,
        "underflow": [one.reference_outside[0], one.generated_outside[0]],
        "overflow": [one.reference_outside[1], one.generated_outside[1]],
        "note": one.note or None,
    }


def _floors(case: Case, bins: Any, edges: Any, advance: Any) -> dict[str, tuple[float, float, float | None]]:
    """Mean, spread of one measurement, and chi2 of the first, by the observable's name."""
    found: dict[str, list[float]] = {}
    first: dict[str, Comparison] = {}
    n, source, draws = 0, "", 0
    for draw in range(case.protocol.separation_splits):
        pair = case.geant4_pair(case.n, draw, "evaluation.separation-floor")
        if pair is None:
            case.notes.append("Fewer than 4 showers have no halves: separation powers have no floor.")
            return {}
        sides = [Binned.of(side, edges) for side in (pair.one, pair.two)]
        parts = [side.rows(_as_slice(rows)) for side, rows in zip(sides, (pair.one_rows, pair.two_rows), strict=True)]
        resamplings = 0 if draw else RESAMPLINGS
        compared = separations(parts[0], parts[1], bins, edges, case.reference, resamplings=resamplings, seed=case.seed)
        first = first or compared
        for name, one in compared.items():
            found.setdefault(name, []).append(one.separation)
        advance(1)
        n, source, draws = pair.n, pair.source, draw + 1
        if pair.whole:
            break
    share = n / case.n
    case.results["floor_of_separations"] = {"n": n, "source": source, "draws": draws}
    if share < 1:
        case.notes.append(
            f"Floors of the separation powers come from halves of the reference, {n:,} showers each, and are scaled "
            f"to the {case.n:,} compared, since a floor falls with the number of showers; give --floor or --training."
        )
    case.floor_comparisons = first
    scales = {name: floor_scale(one, 1 / share) if share < 1 else 1.0 for name, one in first.items()}
    return {
        name: (
            scales[name] * float(np.mean(values)),
            scales[name] * (float(np.std(values, ddof=1)) if len(values) > 1 else first[name].error),
            first[name].chi2_ndf,
        )
        for name, values in found.items()
    }


def _as_slice(rows: Rows) -> Rows | slice:
    """A slice where the rows follow one another, which costs no memory."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
