"""Histograms with the ratio to Geant4 below, and separation powers layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.page.axes import Axes
from caloforge.evaluation.page.drawing import Drawing
from caloforge.evaluation.page.palette import model
from caloforge.evaluation.page.ratio import ratio
from caloforge.evaluation.page.reading import kind_of, layer_of, unit_of
from caloforge.observables import Comparison

WIDTH, HEIGHT = 300.0, 240.0
PEAKED = 0.4
LOGARITHMIC = ("E", "voxel distribution")
ENTRIES = 20
Floats = NDArray[np.float64]


def coarser(comparison: Comparison, entries: int = ENTRIES) -> Comparison:
    """The same histograms with neighbouring bins joined for the eye, where fewer entries a bin are expected."""
    bins = len(comparison.reference_counts)
    filled = max(int(np.count_nonzero(comparison.reference_counts)), 1)
    wanted = filled * entries / max(int(comparison.reference_counts.sum()), 1)
    join = next((size for size in (1, 2, 3, 4, 5) if size >= wanted and bins % size == 0), 1 if bins % 5 else 5)
    if join == 1:
        return comparison
    one, two = (
        counts.reshape(-1, join).sum(axis=1) for counts in (comparison.reference_counts, comparison.generated_counts)
    )
    return replace(comparison, edges=comparison.edges[::join], reference_counts=one, generated_counts=two)


def histogram(
    name: str, found: Sequence[tuple[str, str, Comparison]], floor: Comparison | None = None,
    power: Mapping[str, Any] | None = None,
) -> Drawing:  # fmt: skip
    """One observable: Geant4 with its statistical band, samples (label, colour, histograms), ratios, and the floor.

    floor: Geant4 against Geant4, drawn dashed in the ratio; power: the results of the first sample's separation power.
    """
    drawn = [(label, colour, coarser(comparison)) for label, colour, comparison in found]
    first = drawn[0][2]
    edges = first.edges
    expected, error = _shares(first.reference_counts)
    shares = [_shares(one.generated_counts)[0] for _, _, one in drawn]
    log = kind_of(name) in LOGARITHMIC and bool(np.all(edges > 0))
    x_limits = _used(edges, [first.reference_counts, *(one.generated_counts for _, _, one in drawn)])
    top = max(float(np.max(values, initial=0.0)) for values in (expected, *shares)) or 1.0
    lowest = [values[values > 0].min() for values in (expected, *shares) if np.any(values > 0)]
    steep = log or top > PEAKED
    y_limits = (max(min(lowest, default=top / 10) / 2, top * 1e-6), top * 2) if steep else (0.0, top * 1.1)
    sheet = Drawing(WIDTH, HEIGHT, _said(name, power, drawn[0][0]))
    said = _power(power) if power else ""
    sheet.text(42, 12, name, _heading_size(name, WIDTH - 60 - 4.4 * len(said)), "start", "ink", bold=True)
    sheet.text(WIDTH - 8, 12, said, 8, "end")
    main = Axes(sheet, 42, 20, WIDTH - 50, 120, x_limits, y_limits, log, steep)
    main.filled(edges, expected, "geant4-pale")
    for (_, colour, _), values in zip(reversed(drawn), reversed(shares), strict=True):
        sheet.line(_closed(main, edges, values), colour, 1.3 if colour == "m0" else 1.0)
    main.frame(y_label="share per bin", x_ticks=False)
    ratios = [ratio(values, expected) for values in shares]
    half = 0.5 if _within(ratios[0], expected, 0.5) else 1.0
    below = Axes(sheet, 42, 150, WIDTH - 50, 46, x_limits, (1 - half, 1 + half), log)
    band = ratio(error, expected)
    below.band(edges, 1 - band, 1 + band, "geant4-pale")
    below.level(1.0)
    if floor is not None:
        other = coarser(floor)
        if len(other.edges) == len(edges):
            line = ratio(_shares(other.generated_counts)[0], _shares(other.reference_counts)[0])
            sheet.line(below.stairs(edges, line), "floor", 0.8, (3, 2))
    for (_, colour, _), values in zip(reversed(drawn), reversed(ratios), strict=True):
        sheet.line(below.stairs(edges, values), colour, 1.1)
    below.frame(unit_of(name), "to Geant4", y_count=2)
    outside = _outside(found[0][2])
    if outside:
        sheet.text(42, 232, outside, 7.5)
    return sheet


def by_layer(kind: str, members: Sequence[str], judged: Mapping[str, Mapping[str, Any]]) -> Drawing:
    """Separation powers of one kind of observable in every layer, with errors and the band of the floor."""
    layers = np.arange(len(members), dtype=np.float64)
    powers = {name: [one["separation_power"][member] for member in members] for name, one in judged.items()}
    first = next(iter(powers.values()))
    floor = np.array([np.nan if p.get("floor") is None else p["floor"] for p in first], dtype=np.float64)
    spread = np.array([p.get("floor_spread") or 0.0 for p in first], dtype=np.float64)
    everything = np.concatenate([[float(p["value"]) for row in powers.values() for p in row], floor])
    positive = everything[np.isfinite(everything) & (everything > 0)]
    low, high = (positive.min(), positive.max()) if len(positive) else (1e-4, 1.0)
    low = max(low, high * 1e-4)
    sheet = Drawing(WIDTH, 190, f"Separation power of {kind} in {len(members)} layers, for {', '.join(powers)}")
    sheet.text(42, 12, kind, 10.5, "start", "ink", bold=True)
    axes = Axes(sheet, 42, 20, WIDTH - 50, 132, (-0.6, len(members) - 0.4), (low / 2, high * 2), y_log=True)
    edges = np.arange(len(members) + 1) - 0.5
    axes.band(edges, np.maximum(floor - spread, low / 2), floor + spread, "floor-pale")
    sheet.line(axes.stairs(edges, floor), "floor", 0.9, (3, 2))
    for index, (name, row) in enumerate(powers.items()):
        values = np.array([p["value"] for p in row], dtype=np.float64)
        errors = np.array([p.get("error") or 0.0 for p in row], dtype=np.float64)
        values[values <= 0] = np.nan
        colour = model(index)
        sheet.line(axes.points(layers, values), colour, 1.0 if name != next(iter(powers)) else 1.4)
        if index == 0:
            axes.marks(layers, values, errors, colour, 1.8 if len(members) > 12 else 2.4)
    named = {float(i): str(layer_of(members[i])) for i in _some(len(members), 12)}
    axes.frame("layer", "separation power", x_named=named)
    return sheet


def _some(n: int, most: int) -> list[int]:
    step = max(1, -(-n // most))
    return list(range(0, n, step))


def _shares(counts: NDArray[Any]) -> tuple[Floats, Floats]:
    """Counts (B,) over their sum, and the statistical error of that."""
    total = max(int(counts.sum()), 1)
    return counts / total, np.sqrt(counts) / total


def _closed(axes: Axes, edges: Floats, values: Floats) -> Floats:
    """Outline of a histogram (n, 2) in pixels, empty bins on the axis."""
    return axes.stairs(edges, np.where(values > 0, values, axes.y_limits[0]))


def _used(edges: Floats, counts: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """The range of the edges that holds all entries, and a bin around."""
    filled = np.flatnonzero(np.sum(counts, axis=0))
    if not len(filled):
        return float(edges[0]), float(edges[-1])
    return float(edges[max(filled[0] - 1, 0)]), float(edges[min(filled[-1] + 2, len(edges) - 1)])


def _within(over: Floats, weight: Floats, half: float) -> bool:
    """Whether at least nine tenths of the entries lie in bins whose ratio to Geant4 is within 1 +- half."""
    good = np.isfinite(over) & (np.abs(over - 1) <= half)
    return bool(weight[good].sum() >= 0.9 * weight.sum())


def _heading_size(text: str, room: float) -> float:
    """Size of a bold text that may be so many pixels wide, for letters of 0.6 times their size."""
    return min(10.5, room / (0.6 * max(len(text), 1)))


def _power(power: Mapping[str, Any]) -> str:
    text = f"S {power['value']:.2g}"
    if power.get("error"):
        text += f" ± {power['error']:.1g}"
    return text if power.get("floor") is None else f"{text}, floor {power['floor']:.2g}"


def _said(name: str, power: Mapping[str, Any] | None, label: str) -> str:
    text = f"Histogram of {unit_of(name)}, {label} beside Geant4 with their ratio"
    return f"{text}; separation power {_power(power)[2:]}" if power else text


def _outside(comparison: Comparison) -> str:
    parts = []
    for side, index in (("below", 0), ("above", 1)):
        one, two = (comparison.outside[key][index] for key in ("generated", "reference"))
        if one or two:
            parts.append(f"{100 * one:.2g} % {side} (Geant4 {100 * two:.2g} %)")
    return ", ".join(parts)
