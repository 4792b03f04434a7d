"""One pair of axes on a drawing: limits, ticks and what is drawn in data coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caloforge.evaluation.page.drawing import Drawing, strokes

Floats = NDArray[np.float64]


@dataclass
class Axes:
    """A rectangle of a drawing with its limits; values outside are drawn on its border."""

    drawing: Drawing
    left: float
    top: float
    width: float
    height: float
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    x_log: bool = False
    y_log: bool = False

    def x(self, values: ArrayLike) -> Floats:
        """Pixels of x values."""
        return self.left + self.width * _part(values, self.x_limits, self.x_log)

    def y(self, values: ArrayLike) -> Floats:
        """Pixels of y values."""
        return self.top + self.height * (1.0 - _part(values, self.y_limits, self.y_log))

    def points(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Pixels (n, 2) of points."""
        return np.stack([self.x(x), self.y(y)], axis=-1)

    def stairs(self, edges: ArrayLike, values: ArrayLike) -> Floats:
        """Pixels of the outline of a histogram (B,) with edges (B + 1,), without the way down to the axis."""
        across, up = np.repeat(self.x(edges), 2)[1:-1], np.repeat(self.y(values), 2)
        return np.stack([across, up], axis=1)

    def filled(self, edges: ArrayLike, values: ArrayLike, colour: str) -> None:
        """Fill a histogram down to the axis."""
        low = self.y_limits[0]
        outline = self.stairs(edges, np.nan_to_num(np.asarray(values, dtype=np.float64), nan=low))
        base = float(self.y(low))
        ends = [(outline[0, 0], base), (outline[-1, 0], base)]
        self.drawing.area(np.concatenate([ends[:1], outline, ends[1:]]), colour)

    def band(self, edges: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str) -> None:
        """Fill between two histograms; where one is not finite there is a gap."""
        for run in strokes(np.hstack([self.stairs(edges, low), self.stairs(edges, high)])):
            self.drawing.area(np.concatenate([run[:, :2], run[::-1, 2:]]), colour)

    def marks(self, x: ArrayLike, y: ArrayLike, error: ArrayLike, colour: str, radius: float = 2.2) -> None:
        """Points with error bars."""
        values, errors = np.asarray(y, dtype=np.float64), np.nan_to_num(np.asarray(error, dtype=np.float64))
        for px, py, low, high in zip(
            self.x(x), self.y(values), self.y(values - errors), self.y(values + errors), strict=True
        ):
            if np.isfinite(py):
                self.drawing.line([(px, low), (px, high)], colour, 1.0)
                self.drawing.dot(float(px), float(py), radius, colour)

    def frame(
        self, x_label: str = "", y_label: str = "", x_ticks: bool = True, y_count: int = 4, x_count: int = 5,
        x_named: dict[float, str] | None = None,
    ) -> None:  # fmt: skip
        """Draw the axes with ticks and labels; x_named: ticks with names of their own."""
        right, bottom = self.left + self.width, self.top + self.height
        named = x_named or {tick: number(tick, self.x_log) for tick in ticks(self.x_limits, self.x_log, x_count)}
        for tick, label in named.items():
            place = float(self.x(tick))
            self.drawing.line([(place, bottom), (place, bottom + 3)], "line")
            if x_ticks:
                self.drawing.text(place, bottom + 12, label, 8, "middle")
        for tick in ticks(self.y_limits, self.y_log, y_count):
            place = float(self.y(tick))
            self.drawing.line([(self.left - 3, place), (self.left, place)], "line")
            self.drawing.text(self.left - 5, place + 3, number(tick, self.y_log), 8, "end")
        self.drawing.line([(self.left, self.top), (self.left, bottom), (right, bottom)], "line")
        if x_label:
            self.drawing.text(right, bottom + 24, x_label, 9, "end", "ink")
        if y_label:
            self.drawing.text(self.left - 33, self.top, y_label, 8.5, "end", "ink", turned=True)

    def level(self, value: float, colour: str = "muted", dash: tuple[float, ...] = ()) -> None:
        """A horizontal line at a value."""
        place = float(self.y(value))
        self.drawing.line([(self.left, place), (self.left + self.width, place)], colour, 0.8, dash)


def _part(values: ArrayLike, limits: tuple[float, float], log: bool) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    low, high = limits
    if log:
        low, high = math.log(low), math.log(high)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.log(found)
    return np.clip((found - low) / ((high - low) or 1.0), 0.0, 1.0)


def ticks(limits: tuple[float, float], log: bool, count: int) -> list[float]:
    """About so many round numbers within the limits."""
    low, high = limits
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        step = max(1, -(-(last - first + 1) // count))
        found = [10.0**power for power in range(first, last + 1, step)]
        if len(found) >= 2:
            return found
        if high / low < 4:
            return ticks(limits, False, 3)
        return [m * 10.0**p for p in range(first - 1, last + 1) for m in (1, 2, 5) if low <= m * 10.0**p <= high]
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    raw = span / max(count, 1)
    size = 10 ** math.floor(math.log10(raw))
    step_size = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= raw * 0.999)
    start = math.ceil(low / step_size - 1e-9)
    return [round(k * step_size, 12) for k in range(start, math.floor(high / step_size + 1e-9) + 1)]


def number(value: float, log: bool = False) -> str:
    """A number as a tick says it."""
    power = math.log10(value) if value > 0 else 0.0
    if log and abs(power - round(power)) < 1e-9 and not -2 <= round(power) <= 3:
        return f"10^{{{round(power)}}}"
    if value and (abs(value) >= 1e5 or abs(value) < 1e-3):
        mantissa, exponent = f"{value:.2g}".split("e") if "e" in f"{value:.2g}" else (f"{value:.2g}", "")
        return f"{mantissa}·10^{{{int(exponent)}}}" if exponent else mantissa
    return f"{value:.6g}"


def short(value: float) -> str:
    """A number with two digits, without an exponent where it is not far from 1."""
    return f"{float(f'{value:.2g}'):,.0f}" if 10 <= abs(value) < 1e6 else f"{value:.2g}"
