"""Mean profiles of the showers' energy along and across the axis, in each bin of the incident energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.page.axes import Axes
from caloforge.evaluation.page.drawing import Drawing
from caloforge.evaluation.page.ratio import half_height, ratio
from caloforge.evaluation.page.reading import energy_range

Floats = NDArray[np.float64]
KINDS = {"longitudinal": "along the axis", "radial": "across the axis"}


def profiles(judged: Mapping[str, Sequence[Mapping[str, Any]]], colours: Mapping[str, str]) -> list[Drawing]:
    """Energy fractions by layer, then by ring, one drawing for each bin of energy; none where there are no profiles."""
    first = next(iter(judged.values()))
    return [
        _profile(kind, index, judged, colours)
        for kind in KINDS
        for index, one in enumerate(first)
        if kind in (one.get("profiles") or {})
    ]


def _profile(
    kind: str, index: int, judged: Mapping[str, Sequence[Mapping[str, Any]]], colours: Mapping[str, str]
) -> Drawing:
    first = next(iter(judged.values()))[index]
    known = first["profiles"][kind]
    expected, error = _pair(known["reference"])
    n = len(expected)
    edges = np.asarray(known["edges_mm"], dtype=np.float64) if "edges_mm" in known else np.arange(n + 1) - 0.5
    where = energy_range(float(first["low_mev"]), float(first["high_mev"]))
    sheet = Drawing(300, 232, f"Energy fractions {KINDS[kind]} at {where}, {', '.join(judged)} beside Geant4")
    sheet.text(42, 12, f"{KINDS[kind]}, {where}", 10.5, "start", "ink", bold=True)
    found = {name: _pair(bins[index]["profiles"][kind]["generated"])[0] for name, bins in judged.items()}
    everything = np.concatenate([expected, *found.values()])
    positive = everything[np.isfinite(everything) & (everything > 0)]
    top = float(positive.max()) if len(positive) else 1.0
    low = max(float(positive.min()) if len(positive) else 0.1, top * 1e-6) / 2
    limits = (float(edges[0]), float(edges[-1]))
    main = Axes(sheet, 42, 20, 250, 120, limits, (low, 2 * top), y_log=True)
    main.filled(edges, expected, "geant4-pale")
    ratios = {name: ratio(values, expected) for name, values in found.items()}
    half = half_height(ratios.values())
    below = Axes(sheet, 42, 150, 250, 46, limits, (1 - half, 1 + half))
    band = ratio(error, expected)
    below.band(edges, 1 - band, 1 + band, "geant4-pale")
    below.level(1.0)
    for name in reversed(list(found)):
        sheet.line(main.stairs(edges, np.maximum(found[name], low)), colours[name], 1.2)
        sheet.line(below.stairs(edges, ratios[name]), colours[name], 1.1)
    names = known.get("layers")
    named = {float(k): str(names[k]) for k in range(0, n, max(1, -(-n // 12)))} if names else None
    main.frame(y_label="energy fraction", x_ticks=False, x_named=named)
    below.frame("layer" if names else "distance from axis [mm]", "to Geant4", y_count=2, x_named=named)
    return sheet


def _pair(found: Sequence[Sequence[float | None]]) -> tuple[Floats, Floats]:
    values, errors = (np.array([np.nan if v is None else v for v in row], dtype=np.float64) for row in found)
    return values, np.nan_to_num(errors)
