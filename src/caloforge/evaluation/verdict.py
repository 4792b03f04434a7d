"""The verdict in words: whether, where and at which energies generated showers differ from Geant4's."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from caloforge.evaluation.separations import kind_of

KINDS = {
    "E": "layer energies", "Sparsity": "numbers of hits", "EC r": "radial centres", "Width r": "radial widths",
    "Etot / Einc": "the total energy", "voxel distribution": "voxel energies",
}  # fmt: skip
_STRONG, _SHARE, _CLEAR = 5.0, 0.5, 3.0
"""A histogram stands out from this multiple of its floor (or error) on; a layer with this share of the worst one's
excess; an energy bin where its AUC is so many errors above the mean of all."""


def words(entry: dict[str, Any], quick: bool = False) -> str:
    """One or two sentences about a sample from its entry in the result file."""
    parts = [part for part in (_classifiers(entry), _histograms(entry), _memory(entry)) if part]
    text = " ".join(parts) or "No part of the evaluation was run that can tell the samples apart."
    return text + (" A quick look, with too few showers for a verdict." if quick else "")


def _headline(entry: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    classifiers = entry.get("classifiers") or {}
    if "headline" in classifiers:
        return "the best classifier", classifiers["headline"]
    if not classifiers:
        return None
    name = max(classifiers, key=lambda kind: classifiers[kind]["auc"])
    return f"the classifier '{name}'", classifiers[name]


def _classifiers(entry: dict[str, Any]) -> str:
    best = _headline(entry)
    if best is None:
        return ""
    name, found = best
    floor = found.get("floor")
    beside = "" if floor is None else f", Geant4 itself {floor:.3f}"
    numbers = f"AUC {found['auc']:.3f} +- {found['auc_error']:.3f} of {found['n']:,} showers a class{beside}"
    if entry.get("indistinguishable"):
        return f"Indistinguishable from Geant4 for {name} ({numbers})."
    spread = found.get("floor_spread") or 0.0
    sigma = (found["auc_error"] ** 2 + spread**2) ** 0.5
    if found["auc"] - (0.5 if floor is None else floor) < 2 * sigma:
        return f"Not told from Geant4 by {name}, but too few showers to call them equal ({numbers})."
    where = _layers(entry.get("weights", {}).get("layers", {}))
    places = [place for place in (where, _energies(entry.get("auc_by_energy") or [])) if place]
    mostly = f", mostly {' and '.join(places)}" if places else ""
    return f"Distinguishable from Geant4 by {name}{mostly} ({numbers})."


def _layers(distances: dict[str, float]) -> str:
    """The layers that hold most of the difference, or nothing where all or none do."""
    if len(distances) < 2 or max(distances.values()) <= 0:
        return ""
    names = list(distances)
    worst = max(distances.values())
    chosen = [index for index, name in enumerate(names) if distances[name] >= (1 - _SHARE / 2) * worst]
    if len(chosen) > len(names) * _SHARE:
        return ""
    runs = []
    for _, run in groupby(enumerate(chosen), key=lambda pair: pair[1] - pair[0]):
        members = [names[index] for _, index in run]
        runs.append(members[0] if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return f"in layer{'s' if len(chosen) > 1 else ''} {', '.join(runs)}"


def _energies(bins: list[dict[str, Any]]) -> str:
    known = [one for one in bins if one["auc"] is not None]
    if len(known) < 2:
        return ""
    ranked = sorted(known, key=lambda one: one["auc"])
    low, high = ranked[0], ranked[-1]
    if high["auc"] - low["auc"] < _CLEAR * (high["auc_error"] ** 2 + low["auc_error"] ** 2) ** 0.5:
        return ""
    if high is known[0]:
        return f"at low energy (below {high['high_mev'] / 1e3:.3g} GeV)"
    if high is known[-1]:
        return f"at high energy (above {high['low_mev'] / 1e3:.3g} GeV)"
    return f"at {high['low_mev'] / 1e3:.3g} to {high['high_mev'] / 1e3:.3g} GeV"


def _histograms(entry: dict[str, Any]) -> str:
    found = entry.get("separation_power") or {}
    excess: dict[str, list[float]] = {}
    for name, one in found.items():
        floor = one["floor"]
        if floor is None:
            continue
        spread = (one["error"] ** 2 + (one["floor_spread"] or 0.0) ** 2) ** 0.5
        excess.setdefault(kind_of(name), []).append((one["value"] - floor) / max(spread, 1e-12))
    if not excess:
        return ""
    means = {kind: sum(values) / len(values) for kind, values in excess.items()}
    worst = sorted((kind for kind in means if means[kind] > _STRONG), key=lambda kind: -means[kind])[:3]
    if not worst:
        return "No kind of histogram lies clearly above its floor."
    return f"Above their floors lie most of all {_joined([KINDS.get(kind, kind) for kind in worst])}."


def _memory(entry: dict[str, Any]) -> str:
    found = entry.get("memorisation")
    return "It repeats training showers." if found and found["found"] else ""


def _joined(words_: list[str]) -> str:
    return words_[0] if len(words_) == 1 else f"{', '.join(words_[:-1])} and {words_[-1]}"
