"""Colours and PNG of figures drawn with matplotlib; the backend is never touched, so that they work anywhere."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

COLOURS = ("#d1495b", "#00798c", "#edae49", "#8d6a9f", "#66a182", "#2e4057")
GREY = "#b8bdc4"


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    store = io.BytesIO()
    figure.savefig(store, format="png", dpi=80)
    return store.getvalue()
