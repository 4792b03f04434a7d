"""Correlation matrices of the features: Geant4, a sample, and their difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.page.colormap import DIFFERENCES, indices, scale
from caloforge.evaluation.page.drawing import Drawing
from caloforge.evaluation.page.reading import kind_of

SIDE = 250.0


def correlations(found: Mapping[str, Any], name: str) -> list[Drawing]:
    """Three matrices: of Geant4, of the named sample, and the sample's minus Geant4's on a scale of its own."""
    names = [str(feature) for feature in found["names"]]
    reference, other = (np.asarray(found[key], dtype=np.float64) for key in ("reference", name))
    difference = other - reference
    largest = float(np.nanmax(np.abs(difference), initial=0.0)) or 1.0
    return [
        _matrix("Geant4", reference, names, 1.0),
        _matrix(name, other, names, 1.0),
        _matrix(f"{name} - Geant4", difference, names, largest),
    ]


def _matrix(title: str, values: NDArray[np.float64], names: Sequence[str], reach: float) -> Drawing:
    n = len(names)
    sheet = Drawing(SIDE + 84, SIDE + 46, f"Correlations of {n} features, {title}, from {-reach:.2g} to {reach:.2g}")
    sheet.text(76, 12, title[:44], 10.5, "start", "ink", bold=True)
    table = scale(DIFFERENCES)
    sheet.picture(76, 20, SIDE, SIDE, indices(values, -reach, reach), table)
    for start, stop, label in _groups(names):
        middle = 20 + SIDE * (start + stop) / 2 / n
        if SIDE * (stop - start) / n > 6.5:
            sheet.text(72, middle + 3, label[:18], 7, "end")
        if start:
            place = SIDE * start / n
            sheet.line([(76, 20 + place), (72, 20 + place)], "line")
            sheet.line([(76 + place, 20 + SIDE), (76 + place, 24 + SIDE)], "line")
    sheet.picture(76, SIDE + 28, SIDE, 6, np.arange(64, dtype=np.uint8)[None], table)
    sheet.text(76, SIDE + 44, f"{-reach:.2g}", 7.5)
    sheet.text(76 + SIDE / 2, SIDE + 44, "0", 7.5, "middle")
    sheet.text(76 + SIDE, SIDE + 44, f"{reach:.2g}", 7.5, "end")
    return sheet


def _groups(names: Sequence[str]) -> list[tuple[int, int, str]]:
    """Runs of features of one kind: first, end, kind."""
    runs: list[tuple[int, int, str]] = []
    for index, name in enumerate(names):
        kind = kind_of(name)
        if runs and runs[-1][2] == kind:
            runs[-1] = (runs[-1][0], index + 1, kind)
        else:
            runs.append((index, index + 1, kind))
    return runs
