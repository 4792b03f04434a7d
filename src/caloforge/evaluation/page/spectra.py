"""Small spectra: weights of a classifier, and distances to the nearest training shower."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.page.axes import Axes
from caloforge.evaluation.page.drawing import Drawing
from caloforge.evaluation.page.palette import model

Floats = NDArray[np.floating]
BINS = 60


def weights(name: str, colour: str, reference: Floats, generated: Floats) -> Drawing:
    """Spectrum of the weights p / (1 - p): Geant4's showers filled, the sample's as a line; 1 everywhere is perfect."""
    sheet = Drawing(420, 230, f"Weights p / (1 - p) of the showers of Geant4 and of {name}")
    sheet.text(46, 12, f"Weights of {name}", 10.5, "start", "ink", bold=True)
    both = np.log10(np.clip(np.concatenate([reference, generated]), 1e-8, 1e8))
    low, high = np.quantile(both, [0.001, 0.999])
    low, high = min(float(low), -0.3), max(float(high), 0.3)
    edges = np.linspace(low, high, BINS + 1)
    shares = [_share(np.clip(np.log10(np.clip(w, 1e-8, 1e8)), low, high), edges) for w in (reference, generated)]
    axes = Axes(sheet, 46, 20, 364, 168, (10**low, 10**high), _limits(shares), True, True)
    axes.filled(10**edges, np.maximum(shares[0], axes.y_limits[0]), "geant4-pale")
    place = float(axes.x(1.0))
    sheet.line([(place, 20), (place, 188)], "muted", 0.8, (3, 2))
    sheet.line(axes.stairs(10**edges, np.maximum(shares[1], axes.y_limits[0])), colour, 1.4)
    axes.frame("weight p / (1 - p)", "share per bin")
    sheet.text(48, 224, "left: the model puts too much", 8)
    return sheet


def distances(found: Mapping[str, Floats], colours: Mapping[str, str]) -> Drawing:
    """Distance of each shower to the nearest training shower: a generator that copies stands left of Geant4."""
    names = [name for name in found if name != "reference"]
    sheet = Drawing(420, 230, f"Distance to the nearest training shower of {', '.join(names)} and of unseen Geant4")
    sheet.text(46, 12, "Distance to the nearest training shower", 10.5, "start", "ink", bold=True)
    edges = np.linspace(0.0, max(float(max(np.max(d, initial=0.0) for d in found.values())), 1e-6), BINS + 1)
    shares = {name: _share(np.asarray(d, dtype=np.float64), edges) for name, d in found.items()}
    axes = Axes(sheet, 46, 20, 364, 168, (0.0, float(edges[-1])), _limits(list(shares.values())), False, True)
    if "reference" in shares:
        axes.filled(edges, np.maximum(shares["reference"], axes.y_limits[0]), "geant4-pale")
    for index, name in enumerate(names):
        values = np.maximum(shares[name], axes.y_limits[0])
        sheet.line(axes.stairs(edges, values), colours.get(name, model(index)), 1.4 if index == 0 else 1.0)
    axes.frame("distance of the square roots of the energy shares", "share per bin")
    return sheet


def _share(values: Floats, edges: Floats) -> NDArray[np.float64]:
    return np.histogram(values, edges)[0] / max(len(values), 1)


def _limits(shares: list[NDArray[np.float64]]) -> tuple[float, float]:
    positive = [float(s[s > 0].min()) for s in shares if np.any(s > 0)]
    top = max((float(s.max()) for s in shares), default=1.0) or 1.0
    return min(positive, default=top / 10) / 2, 2 * top
