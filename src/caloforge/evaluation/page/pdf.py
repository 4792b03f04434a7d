"""Drawings as a PDF file, with the fonts that every reader has: no other program, the same bytes every time."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.page.drawing import Area, Drawing, Line, Picture, Text, strokes
from caloforge.evaluation.page.fonts import runs, text_width
from caloforge.evaluation.page.palette import rgb
from caloforge.evaluation.page.svg import RAISED

PAGE = (595.0, 842.0)
MARGIN, GAP = 20.0, 10.0


def pdf(drawings: Sequence[Drawing], title: str, columns: int = 1, heading: Drawing | None = None) -> bytes:
    """Drawings in a grid of so many columns, a heading above: pages of A4's width, no higher than what they hold, or
    of the drawing's own width where there is one column.
    """
    pictures: list[bytes] = []
    wide = PAGE[0] - 2 * MARGIN if columns > 1 else max(drawings[0].width, heading.width if heading else 0.0)
    width = (wide - (columns - 1) * GAP) / columns if columns > 1 else drawings[0].width
    scale = width / drawings[0].width
    height = max(drawing.height for drawing in drawings) * scale
    head = heading.height if heading else 0.0
    rows = max(1, int((PAGE[1] - 2 * MARGIN - head + GAP) // (height + GAP)))
    pages: list[tuple[float, float, bytes]] = []
    for start in range(0, len(drawings), rows * columns):
        shown = drawings[start : start + rows * columns]
        filled = -(-len(shown) // columns)
        tall = 2 * MARGIN + head + filled * (height + GAP) - GAP
        parts = [_content(heading, pictures, MARGIN, tall - MARGIN, 1.0)] if heading else []
        for index, drawing in enumerate(shown):
            x = MARGIN + (index % columns) * (width + GAP)
            parts.append(
                _content(drawing, pictures, x, tall - MARGIN - head - (index // columns) * (height + GAP), scale)
            )
        pages.append((wide + 2 * MARGIN, tall, b"\n".join(parts)))
    return _file(pages, pictures, title)


def _content(drawing: Drawing, pictures: list[bytes], x: float, top: float, scale: float) -> bytes:
    said = [f"q {scale:.4f} 0 0 {-scale:.4f} {x:.2f} {top:.2f} cm 1 j"]
    for item in drawing.items:
        if isinstance(item, Line):
            dash = " ".join(f"{d:g}" for d in item.dash)
            said.append(f"{_colour(item.colour)} RG {item.width:g} w [{dash}] 0 d {_path(item.points)} S")
        elif isinstance(item, Area):
            said.append(f"{_colour(item.colour)} rg {_path(item.points)} f")
        elif isinstance(item, Text):
            said.append(_text(item))
        else:
            pictures.append(_picture(item))
            said.append(
                f"q {item.width:.2f} 0 0 {-item.height:.2f} {item.x:.2f} {item.y + item.height:.2f} cm "
                f"/P{len(pictures) - 1} Do Q"
            )
    return "\n".join([*said, "Q"]).encode("latin-1")


def _colour(name: str) -> str:
    return " ".join(f"{part:.3f}" for part in rgb(name))


def _path(points: NDArray[np.float64]) -> str:
    said = [
        f"{x:.2f} {y:.2f} {'l' if index else 'm'}"
        for run in strokes(points)
        for index, (x, y) in enumerate(run.tolist())
    ]
    return " ".join(said) or "0 0 m"


def _text(item: Text) -> str:
    pieces = RAISED.split(item.text)
    sizes = [item.size if index % 2 == 0 else 0.75 * item.size for index in range(len(pieces))]
    width = sum(text_width(piece, size) for piece, size in zip(pieces, sizes, strict=True))
    shift = {"start": 0.0, "middle": -width / 2, "end": -width}[item.anchor]
    across, down = (0, -1) if item.turned else (1, 0)
    said = []
    for index, (piece, size) in enumerate(zip(pieces, sizes, strict=True)):
        rise = 0.4 * item.size if index % 2 else 0.0
        x, y = item.x + across * shift + down * rise, item.y + down * shift - across * rise
        matrix = f"0 -1 -1 0 {x:.2f} {y:.2f}" if item.turned else f"1 0 0 -1 {x:.2f} {y:.2f}"
        shown = " ".join(_run(*run, item.bold, size) for run in runs(piece))
        if piece:
            said.append(f"BT {_colour(item.colour)} rg {matrix} Tm {shown} ET")
        shift += text_width(piece, size)
    return "\n".join(said)


def _run(greek: bool, codes: str, bold: bool, size: float) -> str:
    """Letters of one font; Symbol has no bold ones."""
    safe = codes.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return f"/{'S' if greek else 'B' if bold else 'R'} {size:g} Tf ({safe}) Tj"


def _picture(item: Picture) -> bytes:
    rows, columns = item.pixels.shape
    data = zlib.compress(item.pixels.tobytes(), 6)
    head = (
        f"<</Type/XObject/Subtype/Image/Width {columns}/Height {rows}/BitsPerComponent 8/ColorSpace[/Indexed/DeviceRGB "
        f"{len(item.colours) - 1}<{item.colours.tobytes().hex()}>]/Filter/FlateDecode/Length {len(data)}>>stream\n"
    )
    return head.encode() + data + b"\nendstream"


def _file(pages: list[tuple[float, float, bytes]], pictures: list[bytes], title: str) -> bytes:
    """Objects: 1 catalogue, 2 pages, 3 to 5 fonts, 6 title, then the pictures, then page and content by turns."""
    first = 7 + len(pictures)
    kids = " ".join(f"{first + 2 * index} 0 R" for index in range(len(pages)))
    font = "<</Type/Font/Subtype/Type1/BaseFont/{}>>"
    used = "".join(f"/P{index} {7 + index} 0 R" for index in range(len(pictures)))
    objects: list[bytes] = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}/Resources"
        f"<</Font<</R 3 0 R/B 4 0 R/S 5 0 R>>/XObject<<{used}>>>>>>".encode(),
        font.format("Helvetica/Encoding/WinAnsiEncoding").encode(),
        font.format("Helvetica-Bold/Encoding/WinAnsiEncoding").encode(),
        font.format("Symbol").encode(),
        f"<</Title<FEFF{title.encode('utf-16-be').hex()}>/Producer(caloforge)>>".encode(),
        *pictures,
    ]  # fmt: skip
    for index, (width, height, content) in enumerate(pages):
        data = zlib.compress(content, 6)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width:g} {height:g}]/Contents {first + 2 * index + 1} 0 R>>"
            .encode()
        )  # fmt: skip
        objects.append(f"<</Length {len(data)}/Filter/FlateDecode>>stream\n".encode() + data + b"\nendstream")
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    out += f"trailer<</Size {len(objects) + 1}/Root 1 0 R/Info 6 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)
