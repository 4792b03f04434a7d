"""Drawings as SVG to stand in a page: coordinates in whole tenths of a pixel, colours by class."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from html import escape

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.page.drawing import Area, Drawing, Line, Picture, Text, strokes

UNIT = 10
RAISED = re.compile(r"\^\{([^}]*)\}")


def svg(drawing: Drawing, natural: bool = False) -> str:
    """The drawing as an <svg> element, which follows the page's colours; natural: with a width of its own."""
    parts = []
    for item in drawing.items:
        if isinstance(item, Line):
            parts.append(_line(item))
        elif isinstance(item, Area):
            parts.append(f'<path class="f-{item.colour}" d="{path(item.points)}z"/>')
        elif isinstance(item, Text):
            parts.append(_text(item))
        else:
            parts.append(_picture(item))
    size = f"0 0 {round(drawing.width * UNIT)} {round(drawing.height * UNIT)}"
    name = escape(drawing.name, quote=True)
    width = f' width="{round(1.15 * drawing.width)}"' if natural else ""
    return f'<svg viewBox="{size}"{width} role="img" aria-label="{name}">{"".join(parts)}</svg>'


def path(points: NDArray[np.float64]) -> str:
    """Commands of a path through points (n, 2), relative; points that are not finite lift the pen."""
    said: list[str] = []
    for run in strokes(points):
        place = np.rint(run * UNIT).astype(np.int64)
        said += [f"M{x} {y}" for x, y in place[:1].tolist()]
        for dx, dy in np.diff(place, axis=0).tolist():
            if dx and dy:
                said.append(f"l{dx} {dy}")
            elif dx:
                said.append(f"h{dx}")
            elif dy:
                said.append(f"v{dy}")
    return "".join(said)


def png(pixels: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """A picture of indices (rows, columns) into colours (n, 3) as PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows, columns = pixels.shape
    lines = np.zeros((rows, columns + 1), dtype=np.uint8)
    lines[:, 1:] = pixels
    head = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"PLTE", colours.tobytes()) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 6))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _line(item: Line) -> str:
    dash = f' stroke-dasharray="{" ".join(str(round(d * UNIT)) for d in item.dash)}"' if item.dash else ""
    width = round(item.width * UNIT)
    return f'<path class="s-{item.colour}" stroke-width="{width}"{dash} d="{path(item.points)}"/>'


def _text(item: Text) -> str:
    x, y = round(item.x * UNIT), round(item.y * UNIT)
    anchor = "" if item.anchor == "start" else f' text-anchor="{item.anchor}"'
    turned = f' transform="rotate(-90 {x} {y})"' if item.turned else ""
    bold = ' font-weight="600"' if item.bold else ""
    size = round(item.size * UNIT)
    rise = size * 2 // 5
    pieces = RAISED.split(escape(item.text))
    text = pieces[0]
    for raised, after in zip(pieces[1::2], pieces[2::2], strict=True):
        text += f'<tspan dy="-{rise}" font-size="{size * 3 // 4}">{raised}</tspan>'
        text += f'<tspan dy="{rise}">{after}</tspan>' if after else ""
    return f'<text class="f-{item.colour}" x="{x}" y="{y}" font-size="{size}"{anchor}{bold}{turned}>{text}</text>'


def _picture(item: Picture) -> str:
    data = base64.b64encode(png(item.pixels, item.colours)).decode()
    place = " ".join(
        f'{name}="{round(value * UNIT)}"'
        for name, value in (("x", item.x), ("y", item.y), ("width", item.width), ("height", item.height))
    )
    return f'<image {place} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
