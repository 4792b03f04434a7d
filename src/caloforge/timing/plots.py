"""The figures of a benchmark: time against batch size, memory, and generation with training against showers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from caloforge.files import replaced
from caloforge.timing.results import Results

COLOURS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#994f00", "#006cd1", "#e66100",
    "#5d3a9b", "#7fbc41", "#d41159", "#40b0a6", "#f781bf", "#8c510a", "#01665e",
)  # fmt: skip
MARKERS = "osD^vP*X<>hp8d"


def write_plots(results: Results) -> list[Path]:
    """Every figure as PNG and PDF beside the results; gives the paths."""
    figures = {"time": _time(results), "memory": _memory(results), "total-time": _total(results)}
    written = []
    for name, figure in figures.items():
        if figure is None:
            continue
        for kind in ("png", "pdf"):
            path = results.folder / f"{name}.{kind}"
            with replaced(path) as beside:
                figure.savefig(beside, format=kind, dpi=150, bbox_inches="tight", metadata={})
            written.append(path)
    return written


def _axes(results: Results, height: float = 4.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.5, height), layout="constrained")
    axes = figure.add_subplot()
    threads = results.document["settings"]["threads"]
    axes.set_title(f"{results.document['work']['name']}, {threads} thread{'' if threads == 1 else 's'}")
    return figure, axes


def _style(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)], "markersize": 4}


def _outside(axes: Axes) -> None:
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _time(results: Results) -> Figure | None:
    """Time per shower against batch size, with the range of the middle 68 % of the repeats."""
    figure, axes = _axes(results)
    drawn = [found for found in results.runtimes.values() if found["batches"]]
    if not drawn:
        return None
    for number, found in enumerate(drawn):
        batches = sorted(int(batch) for batch in found["batches"])
        at = [found["batches"][str(batch)] for batch in batches]
        middle = np.array([each["us_per_shower"] for each in at])
        low = np.array([each["low_us_per_shower"] for each in at])
        high = np.array([each["high_us_per_shower"] for each in at])
        bars = np.abs(np.stack([middle - low, high - middle]))
        style = {"color": "black", "linestyle": "--"} if found["bound"] else _style(number)
        axes.errorbar(batches, middle, yerr=bars, capsize=2, linewidth=1.2, label=found["label"], **style)
    seconds = results.document["facts"].get("geant4_seconds")
    if seconds is not None:
        axes.axhline(1e6 * seconds, color="grey", linestyle=":", label="Geant4")
    axes.set(xscale="log", yscale="log", xlabel="showers in a batch", ylabel="time per shower [µs]")
    _outside(axes)
    return figure


def _memory(results: Results) -> Figure | None:
    """Peaks of every runtime: allocated by memray around load and first calls, resident by batch size."""
    drawn = [found for found in results.timed().values() if _peaks(found) or (found["memory"] or {}).get("peak_mb")]
    if not drawn:
        return None
    figure, axes = _axes(results, 1.5 + 0.45 * len(drawn))
    places = np.arange(len(drawn))
    resident = [max(_peaks(found), default=0.0) for found in drawn]
    allocated = [(found["memory"] or {}).get("peak_mb") or 0.0 for found in drawn]
    batch = next((found["memory"]["batch"] for found in drawn if found["memory"]), None)
    axes.barh(places - 0.2, resident, 0.4, color=COLOURS[0], label="resident, largest batch")
    if batch is not None:
        label = f"allocated (memray, native), batch {batch:,}"
        axes.barh(places + 0.2, allocated, 0.4, color=COLOURS[1], label=label)
    axes.set_yticks(places, [found["label"] for found in drawn])
    axes.invert_yaxis()
    axes.set_xlabel("peak memory [MB]")
    axes.legend(fontsize="small", frameon=False)
    return figure


def _peaks(found: dict[str, Any]) -> list[float]:
    return [at["peak_mb"] for at in found["batches"].values() if at["peak_mb"] is not None]


def _total(results: Results) -> Figure | None:
    """Training and generation against the number of showers, each runtime at its fastest batch, Geant4's line."""
    facts, timed = results.document["facts"], results.timed()
    if not timed or ("geant4_seconds" not in facts and "training_seconds" not in facts):
        return None
    figure, axes = _axes(results)
    training = facts.get("training_seconds", 0.0)
    showers = np.geomspace(1e2, 1e9, 100)
    for number, found in enumerate(timed.values()):
        each = min(at["us_per_shower"] for at in found["batches"].values()) * 1e-6
        style = _style(number) | {"marker": "", "markersize": 0}
        axes.plot(showers, (training + each * showers) / 3600, linewidth=1.2, label=found["label"], **style)
    if "geant4_seconds" in facts:
        axes.plot(showers, facts["geant4_seconds"] * showers / 3600, color="black", linestyle=":", label="Geant4")
    what = "training and generation" if training else "generation"
    axes.set(xscale="log", yscale="log", xlabel="showers", ylabel=f"{what} [h]")
    _outside(axes)
    return figure
