"""What the figures of a training's preview share; the backend is never touched, so that they work anywhere."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

COLOURS = ("#d1495b", "#00798c", "#edae49", "#8d6a9f", "#66a182", "#2e4057")
GREY = "#b8bdc4"


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    store = io.BytesIO()
    figure.savefig(store, format="png", dpi=80)
    return store.getvalue()


def spread_out(names: Sequence[str], most: int) -> list[str]:
    """At most so many of the names, first and last included, evenly spaced."""
    if len(names) <= most:
        return list(names)
    return [names[index] for index in np.unique(np.linspace(0, len(names) - 1, most).round().astype(int))]
