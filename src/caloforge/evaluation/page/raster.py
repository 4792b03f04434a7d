"""Drawings as files of their own: SVG with the light colours, and PNG."""

from __future__ import annotations

import io
import re

from caloforge.evaluation.page.drawing import Area, Drawing, Line, Text
from caloforge.evaluation.page.palette import LIGHT
from caloforge.evaluation.page.svg import RAISED, svg

INCH = 100.0
ACROSS = {"start": "left", "middle": "center", "end": "right"}


def svg_file(drawing: Drawing) -> str:
    """The drawing as an SVG file."""
    used = sorted(set(re.findall(r"[fs]-([\w-]+)", svg(drawing))) & set(LIGHT))
    style = "".join(f".s-{name}{{stroke:{LIGHT[name]}}}.f-{name}{{fill:{LIGHT[name]}}}" for name in used)
    first, rest = svg(drawing).split(">", 1)
    size = f'width="{drawing.width:g}" height="{drawing.height:g}"'
    font = 'font-family="Helvetica,Arial,sans-serif" fill="none"'
    ground = f'<rect width="100%" height="100%" fill="{LIGHT["page"]}"/>'
    return f'{first} xmlns="http://www.w3.org/2000/svg" {size} {font}><style>{style}</style>{ground}{rest}\n'


def png_file(drawing: Drawing, dpi: int = 200) -> bytes:
    """The drawing as a PNG file, with so many dots to 100 pixels."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon

    figure = Figure(figsize=(drawing.width / INCH, drawing.height / INCH), facecolor=LIGHT["page"])
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    axes.axis("off")
    point = 72.0 / INCH
    for order, item in enumerate(drawing.items):
        if isinstance(item, Line):
            dash = (0, tuple(part / max(item.width, 1e-9) for part in item.dash)) if item.dash else "solid"
            axes.plot(
                *item.points.T, color=LIGHT[item.colour], linewidth=point * item.width, linestyle=dash, zorder=order
            )
        elif isinstance(item, Area):
            axes.add_patch(Polygon(item.points, color=LIGHT[item.colour], linewidth=0, zorder=order))
        elif isinstance(item, Text):
            axes.text(
                item.x, item.y, RAISED.sub(r"$^{\1}$", item.text.replace("$", r"\$")), fontsize=point * item.size,
                color=LIGHT[item.colour], weight="bold" if item.bold else "normal", rotation=90 if item.turned else 0,
                ha=ACROSS[item.anchor], va="baseline", rotation_mode="anchor", zorder=order,
            )  # fmt: skip
        else:
            extent = (item.x, item.x + item.width, item.y + item.height, item.y)
            axes.imshow(item.colours[item.pixels], extent=extent, aspect="auto", interpolation="nearest", zorder=order)
    store = io.BytesIO()
    figure.savefig(store, format="png", dpi=dpi, metadata={"Software": None})
    return store.getvalue()
