"""Figures of the report, as PNG bytes; the backend is never touched, so that they work anywhere."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from caloforge.detectors import CartesianLayer, Detector
from caloforge.evaluation.judgement import Judgement
from caloforge.evaluation.separations import VOXELS, kind_of
from caloforge.observables import Comparison, Features, discrete_energies

COLOURS = ("#d1495b", "#00798c", "#edae49", "#8d6a9f", "#66a182", "#2e4057")
GREY = "#b8bdc4"
MAX_LAYERS = 4
LOGARITHMIC = ("E", VOXELS)


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


def styles(judgement: Judgement) -> dict[str, dict[str, Any]]:
    """Colour and line of every sample: models solid, naive generators thin and dashed."""
    found = {}
    for index, name in enumerate(judgement.others):
        naive = name.startswith("naive")
        found[name] = {
            "color": COLOURS[index % len(COLOURS)], "linestyle": "--" if naive else "-",
            "linewidth": 1.0 if naive else 1.6,
        }  # fmt: skip
    return found


def _units(name: str) -> str:
    kind = kind_of(name)
    if kind in ("E", VOXELS, "Visible energy", "Depth-weighted energy"):
        return f"{name} [MeV]"
    return f"{name} [mm]" if kind.startswith(("EC ", "Width ", "First moment", "Second moment")) else name


def coarser(comparison: Comparison) -> Comparison:
    """The same histograms with neighbouring bins joined for the eye, where fewer than 20 entries a bin are expected."""
    bins = len(comparison.reference_counts)
    filled = max(int(np.count_nonzero(comparison.reference_counts)), 1)
    wanted = filled * 20 / max(int(comparison.reference_counts.sum()), 1)
    join = next((size for size in (1, 2, 3, 4, 5) if size >= wanted and bins % size == 0), 1 if bins % 5 else 5)
    if join == 1:
        return comparison
    one, two = (
        counts.reshape(-1, join).sum(axis=1) for counts in (comparison.reference_counts, comparison.generated_counts)
    )
    return replace(comparison, edges=comparison.edges[::join], reference_counts=one, generated_counts=two)


def _histogram(main: Any, ratio: Any, name: str, judgement: Judgement) -> None:
    first: Comparison | None = None
    for label, style in styles(judgement).items():
        found = judgement.comparisons[label].get(name)
        if found is None:
            continue
        one = coarser(found)
        width = np.diff(one.edges)
        n_reference, n = max(one.reference_counts.sum(), 1), max(one.generated_counts.sum(), 1)
        expected = one.reference_counts / n_reference
        if first is None:
            first = one
            error = np.sqrt(one.reference_counts) / n_reference
            main.stairs(expected, one.edges, fill=True, color=GREY, label="Geant4")
            with np.errstate(divide="ignore", invalid="ignore"):
                band = np.where(expected > 0, error / expected, np.nan)
            ratio.stairs(1 + band, one.edges, baseline=1 - band, fill=True, color=GREY, alpha=0.6)
        main.stairs(one.generated_counts / n, one.edges, label=label, **style)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio.stairs(np.where(expected > 0, one.generated_counts / n / expected, np.nan), one.edges, **style)
    if first is None:
        return
    drawn = [coarser(comparison[name]) for comparison in judgement.comparisons.values()]
    both = [comparison.reference_counts + comparison.generated_counts for comparison in drawn]
    used = np.flatnonzero(np.sum(both, axis=0))
    if len(used):
        low, high = max(used[0] - 1, 0), min(used[-1] + 2, len(width))
        ratio.set_xlim(first.edges[low], first.edges[high])
    if kind_of(name) in LOGARITHMIC:
        main.set_xscale("log")
        main.set_yscale("log")
    else:
        ratio.locator_params(axis="x", nbins=5)
    main.set_ylabel("fraction per bin", fontsize=8)
    main.tick_params(labelbottom=False, labelsize=7)
    ratio.tick_params(labelsize=7)
    ratio.set_ylim(0.4, 1.6)
    ratio.axhline(1, color="black", linewidth=0.6)
    ratio.set_ylabel("to Geant4", fontsize=7)
    ratio.set_xlabel(_units(name), fontsize=8)


def histograms(judgement: Judgement, names: Sequence[str]) -> bytes:
    """Histograms of the named observables side by side, each with the ratio to Geant4 below it."""
    columns = min(len(names), MAX_LAYERS)
    rows = -(-len(names) // columns)
    height = 3.3 * rows + 0.5
    figure = Figure(figsize=(3.4 * columns + 0.6, height))
    outer = figure.add_gridspec(
        rows, columns, left=0.6 / (3.4 * columns), right=0.99, bottom=0.5 / height, top=1 - 0.1 / height,
        wspace=0.28, hspace=0.22,
    )  # fmt: skip
    for index, name in enumerate(names):
        inner = outer[index // columns, index % columns].subgridspec(2, 1, height_ratios=(3, 1), hspace=0.06)
        main = figure.add_subplot(inner[0])
        ratio = figure.add_subplot(inner[1], sharex=main)
        _histogram(main, ratio, name, judgement)
        if name == names[0]:
            main.legend(fontsize=6, frameon=False)
    return png(figure)


def _draw_layer(axes: Any, detector: Detector, layer_index: int, values: NDArray[np.float64], norm: LogNorm) -> Any:
    layer = detector.layers[layer_index]
    grid = np.ma.masked_less_equal(values[detector.slices[layer_index]].reshape(layer.shape), 0.0)
    if isinstance(layer, CartesianLayer):
        axes.set_aspect("equal")
        axes.tick_params(labelsize=6)
        x, y = np.array(layer.x_edges_mm), np.array(layer.y_edges_mm)
        return axes.pcolormesh(x, y, grid.T, norm=norm, cmap="viridis")
    angles = np.linspace(-np.pi, np.pi, layer.shape[0] + 1)
    fine = np.linspace(-np.pi, np.pi, 16 * layer.shape[0] + 1 if layer.shape[0] < 8 else 4 * layer.shape[0] + 1)
    owner = np.clip(np.searchsorted(angles, (fine[:-1] + fine[1:]) / 2) - 1, 0, layer.shape[0] - 1)
    radius, angle = np.meshgrid(np.array(layer.r_edges_mm), fine)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=6)
    return axes.pcolormesh(radius * np.cos(angle), radius * np.sin(angle), grid[owner], norm=norm, cmap="viridis")


def average_showers(judgement: Judgement) -> bytes:
    """The average shower of Geant4 and of every sample, layer by layer in the detector's own shape."""
    detector = judgement.reference.detector
    layers = [int(index) for index in spread_out([str(i) for i in range(detector.n_layers)], 5)]
    samples = [("Geant4", judgement.reference), *judgement.others.items()]
    figure = Figure(figsize=(2.7 * len(layers) + 1.2, 2.5 * len(samples)), layout="constrained")
    grid = figure.subplots(len(samples), len(layers), squeeze=False)
    for column, index in enumerate(layers):
        part = judgement.reference.mean_mev[detector.slices[index]]
        top = max(float(part.max()), 1e-9)
        positive = part[part > 0]
        bottom = max(float(positive.min()) if len(positive) else top / 10, top * 1e-5)
        norm = LogNorm(min(bottom, top / 2), top)
        drawn: Any = None
        for row, (name, sample) in enumerate(samples):
            axes = grid[row, column]
            drawn = _draw_layer(axes, detector, index, sample.mean_mev, norm)
            if column == 0:
                axes.set_ylabel(name.replace(": ", ":\n").replace("nearest training", "nearest\ntraining"), fontsize=8)
            if row == 0:
                axes.set_title(f"layer {judgement.reference.features.layer_names[index]}", fontsize=9)
        bar = figure.colorbar(drawn, ax=grid[:, column], location="bottom", shrink=0.8, pad=0.01, aspect=14)
        bar.ax.tick_params(labelsize=6)
        bar.set_label("mean deposit [MeV], x and y in mm", fontsize=7)
    return png(figure)


def energy_groups(features: Features) -> list[tuple[str, float, float]]:
    """Up to four ranges of incident energy with equally many showers: label, lowest and highest energy in MeV."""
    energies = np.asarray(features.incident_energy_mev, dtype=np.float64)
    single = discrete_energies(energies)
    if len(single):
        chosen = [float(value) for value in spread_out([repr(float(v)) for v in single], 4)]
        return [(f"{value / 1e3:.4g} GeV", value * (1 - 1e-6), value * (1 + 1e-6)) for value in chosen]
    edges = np.quantile(energies, np.linspace(0, 1, 5))
    edges[-1] = np.nextafter(edges[-1], np.inf)
    pairs = pairwise(edges)
    return [(f"{low / 1e3:.3g}-{high / 1e3:.3g} GeV", float(low), float(high)) for low, high in pairs]


def by_energy(judgement: Judgement) -> bytes:
    """Panels by incident energy: response, and mean energy fraction of every layer with its ratio to Geant4."""
    groups = energy_groups(judgement.reference.features)
    figure = Figure(figsize=(3.4 * len(groups) + 0.6, 6.2), layout="constrained")
    grid = figure.subplots(3, len(groups), squeeze=False, height_ratios=(3, 3, 1.2))
    reference, look = judgement.reference.features, styles(judgement)
    edges = np.asarray(judgement.results["bins"]["Etot / Einc"])[::4]
    for column, (label, low, high) in enumerate(groups):
        response, layers, ratio = grid[:, column]
        chosen = reference[(reference.incident_energy_mev >= low) & (reference.incident_energy_mev < high)]
        counts = np.histogram(chosen.table()["Etot / Einc"], edges)[0]
        response.stairs(counts / max(len(chosen), 1), edges, fill=True, color=GREY, label="Geant4")
        expected = _fractions(chosen)
        place = np.arange(len(expected))
        layers.plot(place, expected, color="black", marker="o", markersize=3, linewidth=0.8, label="Geant4")
        for name, sample in judgement.others.items():
            features = sample.features
            own = features[(features.incident_energy_mev >= low) & (features.incident_energy_mev < high)]
            if not len(own):
                continue
            counts = np.histogram(own.table()["Etot / Einc"], edges)[0]
            response.stairs(counts / len(own), edges, label=name, **look[name])
            layers.plot(place, _fractions(own), **look[name])
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio.plot(place, np.where(expected > 0, _fractions(own) / expected, np.nan), **look[name])
        response.set_title(label, fontsize=9)
        response.set_xlabel("Etot / Einc", fontsize=8)
        layers.set_yscale("log")
        layers.set_ylabel("E layer / Einc", fontsize=8)
        ratio.axhline(1, color="black", linewidth=0.6)
        ratio.set_ylim(0.6, 1.4)
        ratio.set_xlabel("layer", fontsize=8)
        ratio.set_ylabel("to Geant4", fontsize=7)
        for axes in (response, layers, ratio):
            axes.tick_params(labelsize=7)
        if len(place) <= 10:
            layers.set_xticks(place, labels=[])
            ratio.set_xticks(place, labels=reference.layer_names)
        if column == 0:
            response.legend(fontsize=6, frameon=False)
    return png(figure)


def _fractions(features: Features) -> NDArray[np.float64]:
    if not len(features):
        return np.full(features.layer_energy_mev.shape[1], np.nan)
    share = features.layer_energy_mev / np.asarray(features.incident_energy_mev)[:, None]
    return np.asarray(share.mean(axis=0), dtype=np.float64)


def neighbours(judgement: Judgement) -> bytes:
    """Distance of every shower to its nearest training shower: a generator that copies stands left of Geant4."""
    figure = Figure(figsize=(6.5, 3.2), layout="constrained")
    axes = figure.subplots()
    everything = np.concatenate(list(judgement.distances.values()))
    edges = np.linspace(0.0, max(float(everything.max()), 1e-6), 51)
    for name, distances in judgement.distances.items():
        share = np.histogram(distances, edges)[0] / max(len(distances), 1)
        if name == "reference":
            axes.stairs(share, edges, fill=True, color=GREY, label="unseen Geant4")
        else:
            axes.stairs(share, edges, label=name, **styles(judgement)[name])
    axes.set_xlabel("distance to the nearest training shower (mirror images included)", fontsize=8)
    axes.set_ylabel("fraction per bin", fontsize=8)
    axes.set_yscale("log")
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, frameon=False)
    return png(figure)


def all_figures(judgement: Judgement) -> list[tuple[str, bytes]]:
    """Title and PNG of every figure of the report, in order."""
    names = list(next(iter(judgement.comparisons.values())))
    kinds: dict[str, list[str]] = {}
    for name in names:
        if " at E = " not in name:
            kinds.setdefault(kind_of(name), []).append(name)
    single = [members[0] for members in kinds.values() if len(members) == 1]
    figures = [
        ("Average shower, layer by layer", average_showers(judgement)),
        ("By incident energy", by_energy(judgement)),
        ("Whole shower", histograms(judgement, single)),
    ]
    for kind, members in kinds.items():
        if len(members) > 1:
            title = {"E": "Layer energies", "EC": "Centres"}.get(kind, kind)
            figures.append((f"{title}, by layer", histograms(judgement, spread_out(members, MAX_LAYERS))))
    if judgement.distances:
        figures.append(("Nearest neighbours in the training set", neighbours(judgement)))
    return figures
