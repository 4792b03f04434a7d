"""The verdict in words: how well a classifier tells the showers from Geant4, and where they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from caloforge.evaluation.page.excess import BEYOND_CHANCE, above_floor, beyond_chance, excess
from caloforge.evaluation.page.reading import (
    ONE_ENERGY,
    auc_error,
    auc_significance,
    headline,
    kinds,
    layer_of,
)
from caloforge.evaluation.scores import FEW

WORDS = ((0.55, "barely"), (0.65, "somewhat"), (0.8, "clearly"), (0.95, "well"), (1.01, "almost always"))
PLAIN = {
    "E": "layer energies", "Etot / Einc": "total response", "voxel distribution": "voxel energies",
    "Sparsity": "sparsity", "EC r": "radial centres", "Width r": "radial widths",
}  # fmt: skip


def verdict(results: Mapping[str, Any]) -> str:
    """One sentence about the sample at the top of the results (or about one of `others`).

    With classifiers: whether the headline AUC lies above its floor by two standard errors; if not, whether the error
    is small enough (at most 0.01) to say more than that nothing was seen by them, and what histograms see nevertheless.
    Without: how many separation powers lie three standard errors above their floor, unless chance explains as many and
    none lies five above it; and the observable of which most showers lie outside its bins on one side only, which
    no separation power counts. Where: the layers, observables and energies that hold most of the excess.
    """
    best = headline(results)
    if best is None:
        return _of_histograms(results)
    numbers = best[1]
    auc, error, floor = float(numbers["auc"]), numbers.get("auc_error"), numbers.get("floor")
    said = f"AUC {auc:.3f} ± {error or 0.0:.3f}, floor {'0.5 (expected)' if floor is None else f'{floor:.3f}'}"
    above, sigma = auc_significance(numbers), auc_error(numbers)
    n = f" with {numbers['n']:,} showers a class" if numbers.get("n") else ""
    if results.get("indistinguishable", above < 2 and sigma <= FEW):
        text = f"Not distinguishable from Geant4 by a classifier{n} ({said}){_seen_by_histograms(results)}"
    elif above < 2:
        text = (
            f"No difference from Geant4 is seen by a classifier{n}, but one of {2 * sigma:.2f} in the AUC could hide"
            f" there ({said}){_seen_by_histograms(results)}"
        )
    else:
        share = 0.5 + 0.5 * (auc - (floor or 0.5)) / max(1 - (floor or 0.5), 1e-9)
        word = next(word for limit, word in WORDS if share < limit)
        where = _where(results)
        text = f"Distinguishable from Geant4 by a classifier, {word}{where} ({said})"
    return text + _memory(results) + "."


def _of_histograms(results: Mapping[str, Any]) -> str:
    powers = results.get("separation_power") or {}
    if not powers:
        return "No classifier and no histogram was asked for, so there is no verdict."
    known = {name: one for name, one in powers.items() if one.get("floor") is not None}
    if not known:
        worst = max(powers, key=lambda name: float(powers[name]["value"]))
        return (
            f"No classifier was asked for and no floor is known; of {len(powers)} histograms {worst} differs most "
            f"(separation power {powers[worst]['value']:.4f}){_memory(results)}."
        )
    far, _ = above_floor(known.values())
    n = f" of {results['compared']:,} showers" if results.get("compared") else ""
    if not far:
        text = f"All {len(known)} histograms{n} agree with Geant4 within their floors"
    elif not beyond_chance(known):
        text = (
            f"{len(known) - far} of {len(known)} histograms{n} agree with Geant4 within their floors, and chance"
            f" explains the other{'s' if far > 1 else ''}"
        )
    else:
        text = f"{_differ(far, len(known), n)}{_where(results)}"
    return f"{text} (no classifier was asked for){_outside(results)}{_memory(results)}."


def _differ(far: int, known: int, n: str = "") -> str:
    own = "differs from Geant4 by more than its floor" if far == 1 else "differ from Geant4 by more than their floors"
    return f"{far} of {known} histograms{n} {own}"


def _seen_by_histograms(results: Mapping[str, Any]) -> str:
    """What histograms see where classifiers see nothing."""
    powers = results.get("separation_power") or {}
    known = {name: one for name, one in powers.items() if one.get("floor") is not None}
    said = ""
    if beyond_chance(known):
        far, _ = above_floor(known.values())
        where = " ".join(part for part in (_layers(results), _observable(results)) if part)
        said = f"; yet {_differ(far, len(known))}{', mostly ' + where if where else ''}"
    return said + _outside(results)


def _outside(results: Mapping[str, Any]) -> str:
    """The observable whose entries below or above its bins differ most in number, if by more than five errors."""
    worst, side, apart, counts = "", "", BEYOND_CHANCE, (0, 0)
    for name, one in (results.get("separation_power") or {}).items():
        if name == "voxel distribution":
            continue
        for key, word in (("underflow", "below"), ("overflow", "above")):
            reference, generated = one.get(key) or (0, 0)
            sigma = abs(generated - reference) / math.sqrt(max(generated + reference, 1))
            if sigma > apart:
                worst, side, apart, counts = name, word, sigma, (reference, generated)
    if not worst:
        return ""
    return f"; {counts[1]:,} generated showers and {counts[0]:,} of Geant4 lie {side} the bins of {worst}"


def _memory(results: Mapping[str, Any]) -> str:
    return "; it repeats training showers" if (results.get("memorisation") or {}).get("found") else ""


def _where(results: Mapping[str, Any]) -> str:
    parts = [part for part in (_layers(results), _observable(results), _energies(results)) if part]
    if not parts:
        return ""
    return ", mostly " + (" ".join(parts) if len(parts) < 3 else f"{parts[0]} {parts[2]}, {parts[1]}")


def _mean_excess(powers: Mapping[str, Any], names: list[str]) -> float:
    return sum(math.sqrt(max(excess(powers[name]), 0.0)) for name in names) / len(names)


def _worst_layers(results: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    """All layers, and the places of those whose observables differ at least two thirds as much as those of the worst
    layer, if they are few.
    """
    powers = results.get("separation_power") or {}
    by_layer: dict[str, list[str]] = {}
    for name in powers:
        layer = layer_of(name)
        if layer is not None:
            by_layer.setdefault(layer, []).append(name)
    order = list(by_layer)
    if len(order) < 2:
        return order, []
    means = [_mean_excess(powers, names) for names in by_layer.values()]
    chosen = [index for index, mean in enumerate(means) if mean >= 2 / 3 * max(means)]
    return (order, []) if max(means) <= 1 or len(chosen) > 0.6 * len(order) else (order, chosen)


def _layers(results: Mapping[str, Any]) -> str:
    """The worst layers in words, as ranges."""
    order, chosen = _worst_layers(results)
    runs: list[list[int]] = []
    for index in chosen:
        if runs and _follows(order, runs[-1][-1], index):
            runs[-1].append(index)
        else:
            runs.append([index])
    if not runs:
        return ""
    runs = runs if len(runs) <= 3 else sorted(sorted(runs, key=lambda run: -_weight(results, order, run))[:3])
    said = [order[r[0]] if len(r) == 1 else f"{order[r[0]]}-{order[r[-1]]}" for r in runs]
    many = len(said) > 1 or len(runs[0]) > 1
    return f"in layer{'s' if many else ''} {' and '.join([', '.join(said[:-1])] * (len(said) > 1) + said[-1:])}"


def _weight(results: Mapping[str, Any], order: list[str], run: list[int]) -> float:
    """How much the layers of a range differ together."""
    powers = results.get("separation_power") or {}
    layers = {order[index] for index in run}
    of_layer = {layer: [name for name in powers if layer_of(name) == layer] for layer in layers}
    return sum(_mean_excess(powers, names) for names in of_layer.values())


def _follows(names: list[str], one: int, two: int) -> bool:
    """Whether two layers may be the ends of a range: neighbours, whose numbers are as well where they have numbers."""
    numbers = [names[index] for index in (one, two)]
    return two == one + 1 and (not all(n.isdecimal() for n in numbers) or int(numbers[1]) == int(numbers[0]) + 1)


def _observable(results: Mapping[str, Any]) -> str:
    """The kind of observable that differs at least half again as much as the middle one, in the worst layers if any."""
    powers = results.get("separation_power") or {}
    order, chosen = _worst_layers(results)
    if chosen:
        layers = {order[index] for index in chosen}
        powers = {name: one for name, one in powers.items() if layer_of(name) in layers}
    means = {kind: _mean_excess(powers, names) for kind, names in kinds(list(powers)).items() if ONE_ENERGY not in kind}
    if len(means) < 3:
        return ""
    ordered = sorted(means.values())
    kind = max(means, key=lambda key: means[key])
    if means[kind] <= max(1.5 * ordered[len(ordered) // 2], 1.0):
        return ""
    return f"by {PLAIN.get(kind, kind)}"


def _energies(results: Mapping[str, Any]) -> str:
    """Low, high or all energies, by the AUC in bins of the incident energy."""
    bins = results.get("auc_by_energy") or []
    if len(bins) < 2:
        return ""
    above = [float(one["auc"]) - (0.5 if one.get("floor") is None else float(one["floor"])) for one in bins]
    sigma = max(float(one.get("auc_error") or 0.0) for one in bins)
    half = len(bins) // 2
    low, high = sum(above[:half]) / half, sum(above[-half:]) / half
    if abs(low - high) < max(2 * sigma / math.sqrt(half), 0.2 * max(low, high), 0.01):
        return "at all energies" if min(above) > 2 * sigma else ""
    return "at low energy" if low > high else "at high energy"
