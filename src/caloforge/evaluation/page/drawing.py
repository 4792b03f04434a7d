"""A drawing: lines, areas, texts and pictures in pixels, y downwards; it is written as SVG and as PDF."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Line:
    """A line through points (n, 2); NaN lifts the pen."""

    points: NDArray[np.float64]
    colour: str
    width: float
    dash: tuple[float, ...]


@dataclass(frozen=True)
class Area:
    """A filled polygon of points (n, 2)."""

    points: NDArray[np.float64]
    colour: str


@dataclass(frozen=True)
class Text:
    """A text at its anchor on the base line; `a^{b}` raises b; turned: read from below."""

    x: float
    y: float
    text: str
    size: float
    anchor: Anchor
    colour: str
    bold: bool
    turned: bool


@dataclass(frozen=True)
class Picture:
    """A picture of indices (rows, columns) into colours (n, 3), both uint8, stretched to width and height."""

    x: float
    y: float
    width: float
    height: float
    pixels: NDArray[np.uint8]
    colours: NDArray[np.uint8]


Item: TypeAlias = Line | Area | Text | Picture


def strokes(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The runs of points (n, any number of coordinates) that are all finite: the pen is lifted between them."""
    finite = np.isfinite(points).all(axis=1)
    if finite.all():
        return [points]
    ends = np.flatnonzero(np.diff(finite.astype(np.int8), prepend=0, append=0))
    return [points[first:stop] for first, stop in ends.reshape(-1, 2)]


@dataclass
class Drawing:
    """A sheet of width x height pixels; `name` says what it shows, to those who cannot see it."""

    width: float
    height: float
    name: str
    items: list[Item] = field(default_factory=list)

    def line(self, points: ArrayLike, colour: str = "ink", width: float = 1.0, dash: tuple[float, ...] = ()) -> None:
        """Draw a line."""
        self.items.append(Line(np.asarray(points, dtype=np.float64), colour, width, dash))

    def area(self, points: ArrayLike, colour: str) -> None:
        """Fill a polygon."""
        self.items.append(Area(np.asarray(points, dtype=np.float64), colour))

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle."""
        self.area([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour)

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        """Fill a small disc."""
        angle = np.linspace(0, 2 * np.pi, 13)[:-1]
        self.area(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1), colour)

    def text(
        self, x: float, y: float, text: str, size: float = 9, anchor: Anchor = "start", colour: str = "muted",
        bold: bool = False, turned: bool = False,
    ) -> None:  # fmt: skip
        """Write a text."""
        self.items.append(Text(x, y, text, size, anchor, colour, bold, turned))

    def picture(
        self, x: float, y: float, width: float, height: float, pixels: NDArray[np.uint8], colours: NDArray[np.uint8]
    ) -> None:
        """Place a picture."""
        self.items.append(Picture(x, y, width, height, pixels, colours))
