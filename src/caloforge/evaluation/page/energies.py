"""What depends on the incident energy, and on the number of showers: AUC, response, resolution and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from caloforge.evaluation.page.axes import Axes
from caloforge.evaluation.page.drawing import Drawing
from caloforge.evaluation.page.reading import NAIVE, Results
from caloforge.evaluation.page.reading import quantity as named_quantity

COUNTS = ("low_mev", "high_mev", "n_reference", "n_generated")


def quantities(bins: Sequence[Results]) -> list[str]:
    """Names of the quantities with one value and its error in each bin, in their order."""
    return [
        key for key, value in bins[0].items()
        if key not in COUNTS and isinstance(value, Mapping) and _single(value.get("reference"))
    ]  # fmt: skip


def by_energy(quantity: str, judged: Mapping[str, Sequence[Results]], colours: Mapping[str, str]) -> Drawing:
    """A quantity in bins of the incident energy: Geant4 grey, samples with error bars; below, their ratio to Geant4, or
    their difference from it where Geant4's values are zero within their errors.
    """
    first = next(iter(judged.values()))
    edges = _edges(first)
    centres = np.sqrt(edges[:-1] * edges[1:])
    expected, error = _values(first, quantity, "reference")
    found = {name: _values(bins, quantity, "generated") for name, bins in judged.items()}
    models = [values for name, (values, _) in found.items() if not name.startswith(NAIVE)]
    low, high = _range(
        np.concatenate([expected - error, expected + error, *(models or [v for v, _ in found.values()])])
    )
    label = named_quantity(quantity)
    sheet = Drawing(300, 232, f"{label} against incident energy, {', '.join(judged)} beside Geant4")
    sheet.text(46, 12, label[:44], 10.5, "start", "ink", bold=True)
    log = bool(edges[-1] / edges[0] > 5)
    main = Axes(sheet, 46, 20, 244, 120, (edges[0], edges[-1]), (low, high), log)
    main.band(edges, expected - error, expected + error, "geant4-pale")
    sheet.line(main.stairs(edges, expected), "geant4", 1.6)
    about_zero = bool(np.any(np.abs(expected) < 3 * error))
    compared = {name: _against(pair, expected, about_zero) for name, pair in found.items()}
    middle = 0.0 if about_zero else 1.0
    half = _half([values - middle for name, (values, _) in compared.items() if not name.startswith(NAIVE)], about_zero)
    below = Axes(sheet, 46, 150, 244, 46, (edges[0], edges[-1]), (middle - half, middle + half), log)
    share = error if about_zero else _against((error, error), np.abs(expected), False)[0]
    below.band(edges, middle - share, middle + share, "geant4-pale")
    below.level(middle)
    for name, (values, errors) in reversed(list(found.items())):
        main.marks(centres, values, errors, colours[name])
        sheet.line(main.points(centres, values), colours[name], 0.8)
        below.marks(centres, *compared[name], colours[name])
    named = _named(edges, log)
    main.frame(x_ticks=False, x_named=named)
    below.frame("incident energy [GeV]", "- Geant4" if about_zero else "to Geant4", y_count=2, x_named=named)
    return sheet


def auc_by_energy(judged: Mapping[str, Sequence[Results]], colours: Mapping[str, str]) -> Drawing:
    """AUC of the headline classifier in bins of the incident energy, with the floor in each; samples may lack bins."""
    first = max(judged.values(), key=len)
    edges = _edges(first)
    sheet = Drawing(420, 230, f"AUC against incident energy of {', '.join(judged)}")
    sheet.text(46, 12, "AUC by incident energy", 10.5, "start", "ink", bold=True)
    limits = _auc_limits([float(one["auc"]) for bins in judged.values() for one in bins])
    log = bool(edges[-1] / edges[0] > 5)
    axes = Axes(sheet, 46, 20, 364, 168, (edges[0], edges[-1]), limits, log)
    axes.level(0.5)
    floor = np.array([np.nan if one.get("floor") is None else one["floor"] for one in first], dtype=np.float64)
    sheet.line(axes.stairs(edges, floor), "floor", 1.0, (3, 2))
    for name, bins in reversed(list(judged.items())):
        values = np.array([one["auc"] for one in bins], dtype=np.float64)
        errors = np.array([one.get("auc_error") or 0.0 for one in bins], dtype=np.float64)
        centres = _edges(bins)
        centres = np.sqrt(centres[:-1] * centres[1:])
        sheet.line(axes.points(centres, values), colours[name], 1.0)
        axes.marks(centres, values, errors, colours[name])
    axes.frame("incident energy [GeV]", "AUC (dashed: floor)", x_named=_named(edges, log))
    return sheet


def auc_against_n(judged: Mapping[str, Mapping[str, Sequence[float]]], colours: Mapping[str, str]) -> Drawing:
    """AUC of the headline classifier against the number of showers a class: more showers tell more."""
    sizes = sorted({int(n) for one in judged.values() for n in one})
    sheet = Drawing(420, 230, f"AUC against the number of showers of {', '.join(judged)}")
    sheet.text(46, 12, "AUC by number of showers", 10.5, "start", "ink", bold=True)
    reach = (sizes[0] / 1.3, sizes[-1] * 1.3)
    limits = _auc_limits([float(pair[0]) for one in judged.values() for pair in one.values()])
    axes = Axes(sheet, 46, 20, 364, 168, reach, limits, True)
    axes.level(0.5)
    for name, one in reversed(list(judged.items())):
        order = sorted(one, key=int)
        values, errors = (np.array([one[n][k] or 0.0 for n in order], dtype=np.float64) for k in (0, 1))
        x = [int(n) for n in order]
        sheet.line(axes.points(x, values), colours[name], 1.0)
        axes.marks(x, values, errors, colours[name])
    axes.frame("showers a class", "AUC", x_named={float(n): f"{n:,}" for n in sizes[:: max(1, len(sizes) // 6)]})
    return sheet


def _auc_limits(values: Sequence[float]) -> tuple[float, float]:
    return min(0.45, max(min(values) - 0.05, 0.0)), min(max(max(values) + 0.05, 0.6), 1.0)


def _single(pair: Any) -> bool:
    return isinstance(pair, Sequence) and len(pair) == 2 and not isinstance(pair[0], Sequence) and pair[0] is not None


def _edges(bins: Sequence[Results]) -> Any:
    """Edges of the bins in GeV; single energies get room around them."""
    low = np.array([one["low_mev"] for one in bins], dtype=np.float64) / 1e3
    high = np.array([one["high_mev"] for one in bins], dtype=np.float64) / 1e3
    if np.all(high <= low * 1.001):
        middle = np.sqrt(low[:-1] * low[1:])
        return np.concatenate([[low[0] / 1.4], middle, [low[-1] * 1.4]])
    return np.append(low, high[-1])


def _values(bins: Sequence[Results], quantity: str, side: str) -> tuple[Any, Any]:
    pairs = [(one.get(quantity) or {}).get(side) or (None, None) for one in bins]
    return tuple(np.array([np.nan if p[k] is None else p[k] for p in pairs], dtype=np.float64) for k in (0, 1))  # type: ignore[return-value]


def _range(values: Any) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _against(pair: tuple[Any, Any], expected: Any, difference: bool) -> tuple[Any, Any]:
    """Values and errors minus what is expected, or over it."""
    values, errors = pair
    if difference:
        return values - expected, errors
    return tuple(
        np.divide(v, s, out=np.full(len(v), np.nan), where=s != 0)
        for v, s in ((values, expected), (errors, np.abs(expected)))
    )


def _half(off: Sequence[Any], any_size: bool) -> float:
    """Half the height of the lower axes, so that the models' values are in it."""
    largest = max((float(np.nanmax(np.abs(values), initial=0.0)) for values in off), default=0.0)
    if any_size:
        return 1.2 * largest or 1.0
    return next((half for half in (0.02, 0.05, 0.1, 0.2, 0.5) if largest <= half), 1.0)


def _named(edges: Any, log: bool) -> dict[float, str] | None:
    if not log:
        return None
    found = [m * 10.0**p for p in range(-4, 7) for m in (1, 3)]
    inside = [tick for tick in found if edges[0] * 0.999 <= tick <= edges[-1] * 1.001]
    return {tick: f"{tick:g}" for tick in inside[:: max(1, -(-len(inside) // 8))]} if len(inside) > 1 else None
