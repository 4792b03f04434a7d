"""The playground's figure: trajectories and samples of every coupling side by side, straightness and W2 below."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from caloforge.playground.comparison import Comparison, Found

COLOURS = ("#d1495b", "#8d6a9f", "#00798c", "#edae49", "#66a182", "#2e4057")
GREY, INK = "#b8bdc4", "#2e3440"
SHOWN_STEPS = 4
CELL = 2.15
NARROWEST = 9.0
"""Inches that the two panels of numbers need beside each other."""


def draw(comparison: Comparison) -> Figure:
    """The figure: a row for each coupling (trajectories, then samples after few steps), two panels of numbers below."""
    rows, steps = len(comparison.found), _shown(comparison)
    columns = 1 + len(steps)
    across, height = CELL * columns + 0.75, CELL * rows + 3.9
    width = max(across, NARROWEST)
    figure = Figure(figsize=(width, height))
    flat = comparison.data.shape[1] == 1
    top = figure.add_gridspec(
        rows, columns, left=0.62 / width, right=(across - 0.12) / width, top=1 - 0.72 / height,
        bottom=1 - (0.72 + CELL * rows) / height, wspace=0.07, hspace=0.07,
    )  # fmt: skip
    for row, (name, found) in enumerate(comparison.found.items()):
        colour = COLOURS[row % len(COLOURS)]
        for column in range(columns):
            axes = figure.add_subplot(top[row, column])
            axes.set_xticks([])
            axes.set_yticks([])
            for side in axes.spines.values():
                side.set_color(GREY)
            if column == 0:
                (_lines if flat else _paths)(axes, found, comparison, colour)
                axes.set_ylabel(name, color=colour, fontsize=12, fontweight="bold", labelpad=8)
            else:
                (_histogram if flat else _cloud)(axes, found, steps[column - 1], comparison, colour)
            if row == 0:
                axes.set_title(_title(comparison, found, column, steps), fontsize=10, color=INK)
    settings = comparison.settings
    figure.suptitle(
        f"{comparison.name}: flow matching with {rows} coupling{'s' if rows > 1 else ''}",
        fontsize=13, color=INK, x=0.62 / width, y=1 - 0.1 / height, ha="left", va="top", fontweight="bold",
    )  # fmt: skip
    bottom = figure.add_gridspec(
        1, 2, left=0.75 / width, right=1 - 0.15 / width, top=2.65 / height, bottom=0.62 / height, wspace=0.24
    )
    _departure(figure.add_subplot(bottom[0]), comparison)
    _distances(figure.add_subplot(bottom[1]), comparison)
    said = f"mean and standard error of {settings.seeds} seeds" if settings.seeds > 1 else "one seed"
    figure.text(
        1 - 0.15 / width, 0.08 / height, f"{said}; W2 by exact assignment of {settings.samples:,} points a side",
        fontsize=7.5, color="#6b7280", ha="right",
    )  # fmt: skip
    return figure


def encoded(figure: Figure, form: Literal["png", "pdf"]) -> bytes:
    """The figure as a file's bytes, the same every time."""
    store = io.BytesIO()
    metadata = {"CreationDate": None} if form == "pdf" else None
    figure.savefig(store, format=form, dpi=130, metadata=metadata)
    return store.getvalue()


def _shown(comparison: Comparison) -> list[int]:
    """The fewest numbers of steps and the largest."""
    steps = list(comparison.settings.steps)
    return steps if len(steps) <= SHOWN_STEPS else [*steps[: SHOWN_STEPS - 1], steps[-1]]


def _title(comparison: Comparison, found: Found, column: int, steps: list[int]) -> str:
    if column == 0:
        return "noise to data" if comparison.data.shape[1] > 1 else "noise (left) to data"
    number, evaluations = steps[column - 1], found.evaluations[steps[column - 1]]
    text = f"{number} step{'s' if number > 1 else ''}"
    return text if evaluations == number else f"{text}, {evaluations} evaluations"


def _half(comparison: Comparison) -> float:
    """Half the side of the shown square."""
    return 1.12 * max(float(np.abs(comparison.data).max()), 2.2)


def _faded(colour: str) -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("time", ["#d7dbe0", colour])


def _paths(axes: Any, found: Found, comparison: Comparison, colour: str) -> None:
    """Trajectories in the plane, from grey at t = 0 to the coupling's colour at t = 1."""
    states = found.trajectories
    pieces = np.stack([states[:-1], states[1:]], 2).transpose(1, 0, 2, 3)
    times = np.tile(np.linspace(0, 1, len(states) - 1), states.shape[1])
    lines = LineCollection(list(pieces.reshape(-1, 2, 2)), cmap=_faded(colour), linewidths=0.7, alpha=0.8)
    lines.set_array(times)
    axes.add_collection(lines)
    axes.scatter(*states[0].T, s=3, color="#8b929c", linewidths=0, zorder=3)
    axes.scatter(*states[-1].T, s=7, color=colour, linewidths=0, zorder=4)
    _square(axes, comparison)


def _lines(axes: Any, found: Found, comparison: Comparison, colour: str) -> None:
    """Trajectories on the line against time."""
    states = found.trajectories[:, :, 0]
    times = np.linspace(0, 1, len(states))
    points = np.stack(np.broadcast_arrays(times[:, None], states), 2)
    pieces = np.stack([points[:-1], points[1:]], 2).transpose(1, 0, 2, 3).reshape(-1, 2, 2)
    lines = LineCollection(list(pieces), cmap=_faded(colour), linewidths=0.6, alpha=0.8)
    lines.set_array(np.tile(times[:-1], states.shape[1]))
    axes.add_collection(lines)
    axes.scatter(np.zeros(states.shape[1]), states[0], s=3, color="#8b929c", linewidths=0, zorder=3)
    axes.scatter(np.ones(states.shape[1]), states[-1], s=5, color=colour, linewidths=0, zorder=4)
    half = _half(comparison)
    axes.set_xlim(-0.05, 1.05)
    axes.set_ylim(-half, half)


def _cloud(axes: Any, found: Found, steps: int, comparison: Comparison, colour: str) -> None:
    """Samples over the data."""
    axes.scatter(*comparison.data[:2000].T, s=3, color="#d7dbe0", linewidths=0)
    axes.scatter(*found.samples[steps][:2000].T, s=2.2, color=colour, alpha=0.55, linewidths=0)
    _square(axes, comparison)
    _label(axes, found, steps)


def _histogram(axes: Any, found: Found, steps: int, comparison: Comparison, colour: str) -> None:
    """Samples over the data, as densities."""
    half = _half(comparison)
    edges = np.linspace(-half, half, 61)
    told = {"bins": edges.tolist(), "density": True}
    axes.hist(comparison.data[:, 0], color="#d7dbe0", **told)
    top = axes.get_ylim()[1]
    axes.hist(np.clip(found.samples[steps][:, 0], -half, half), color=colour, histtype="step", linewidth=1.3, **told)
    axes.set_xlim(-half, half)
    axes.set_ylim(0, 1.45 * top)
    _label(axes, found, steps)


def _label(axes: Any, found: Found, steps: int) -> None:
    axes.text(
        0.96, 0.955, f"W2 {found.wasserstein[steps].mean:.2f}", transform=axes.transAxes, fontsize=8, color=INK,
        ha="right", va="top", bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.2},
    )  # fmt: skip


def _square(axes: Any, comparison: Comparison) -> None:
    half = _half(comparison)
    axes.set_xlim(-half, half)
    axes.set_ylim(-half, half)
    axes.set_aspect("equal")


def _frame(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color=GREY, labelcolor=INK)
    axes.grid(color="#e6e9ed", linewidth=0.6)
    axes.set_axisbelow(True)


def _departure(axes: Any, comparison: Comparison) -> None:
    """Departure of the velocity from the chord along t."""
    for row, (name, found) in enumerate(comparison.found.items()):
        colour, profile = COLOURS[row % len(COLOURS)], found.profile
        axes.plot(comparison.times, profile.mean(0), color=colour, linewidth=1.8, label=f"{name}, {_mean(found)}")
        if len(profile) > 1:
            axes.fill_between(comparison.times, profile.min(0), profile.max(0), color=colour, alpha=0.18, linewidth=0)
    _frame(axes)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** (0.05 + 0.1 * len(comparison.found)))
    axes.set_xlim(0, 1)
    axes.set_xlabel("t (0: noise, 1: data)", fontsize=9, color=INK)
    axes.set_title("departure from the straight line; S is its mean over t", fontsize=10, color=INK, loc="left")
    axes.legend(fontsize=8, frameon=False, loc="upper right", ncols=1, labelcolor=INK, borderaxespad=0.1)


def _mean(found: Found) -> str:
    value, error = found.straightness.mean, found.straightness.error
    return f"S = {value:.3f}" + ("" if np.isnan(error) else f" ± {error:.3f}")


def _distances(axes: Any, comparison: Comparison) -> None:
    """W2 against the number of steps, over its floor."""
    steps = list(comparison.settings.steps)
    floor = comparison.floor
    spread = 0.0 if np.isnan(floor.error) else floor.error
    axes.axhspan(floor.mean - spread, floor.mean + spread, color=GREY, alpha=0.35, linewidth=0)
    axes.axhline(floor.mean, color="#6b7280", linewidth=1, linestyle="--", label="data against data")
    for row, (name, found) in enumerate(comparison.found.items()):
        values = [found.wasserstein[number] for number in steps]
        errors = [0.0 if np.isnan(value.error) else value.error for value in values]
        axes.errorbar(
            steps, [value.mean for value in values], errors, color=COLOURS[row % len(COLOURS)], marker="o",
            markersize=4, linewidth=1.8, capsize=2, label=name,
        )  # fmt: skip
    _frame(axes)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(steps, [str(number) for number in steps])
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    coarse = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if low <= t <= high]
    fine = [t for t in MaxNLocator(5).tick_values(low, high) if low <= t <= high]
    ticks = coarse if len(coarse) > 1 else fine
    axes.set_yticks(ticks)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    solver = type(comparison.settings.solver).__name__
    axes.set_xlabel(f"steps of {solver}", fontsize=9, color=INK)
    axes.set_title("W2 to the data", fontsize=10, color=INK, loc="left")
    axes.legend(fontsize=8, frameon=False, loc="best", labelcolor=INK, borderaxespad=0.1)
