"""Make the README's figure: what comes along, beside Geant4 showers that no training has seen.

    python scripts/make_figure.py

Generates as many showers as are held out with every model that comes along, and draws chosen histograms into
docs/images/calogan.png.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from caloforge.evaluation.evaluate import examine
from caloforge.evaluation.page.histograms import LOGARITHMIC, coarser
from caloforge.evaluation.page.reading import kind_of, unit_of
from caloforge.evaluation.plots import COLOURS, GREY, png
from caloforge.files import replaced
from caloforge.models.generate import generate
from caloforge.models.pretrained import pretrained
from caloforge.observables import Comparison
from caloforge.showers import open_showers
from caloforge.showers.energies import energies_like

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src" / "caloforge" / "data"
SHOWN = [
    "Etot / Einc",
    "E layer 0",
    "E layer 2",
    "voxel distribution",
    "Sparsity layer 0",
    "EC y layer 0",
    "Width y layer 1",
    "Width r layer 0",
]
COLUMNS = 4
Comparisons: TypeAlias = Mapping[str, Mapping[str, Comparison]]


def _histogram(main: Any, ratio: Any, name: str, comparisons: Comparisons) -> None:
    first: Comparison | None = None
    for index, (label, compared) in enumerate(comparisons.items()):
        style = {"color": COLOURS[index % len(COLOURS)], "linewidth": 1.6}
        one = coarser(compared[name])
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
    drawn = [coarser(comparison[name]) for comparison in comparisons.values()]
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
    ratio.set_xlabel(unit_of(name), fontsize=8)


def histograms(comparisons: Comparisons, names: Sequence[str]) -> bytes:
    """Histograms of the named observables side by side, each with the ratio to Geant4 below it."""
    columns = min(len(names), COLUMNS)
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
        _histogram(main, ratio, name, comparisons)
        if name == names[0]:
            main.legend(fontsize=6, frameon=False)
    return png(figure)


def main() -> None:
    """Draw and write."""
    held_out = DATA / "calogan_positrons_heldout.hdf5"
    with tempfile.TemporaryDirectory() as folder:
        samples = {}
        for name, checkpoint in sorted(pretrained().items(), reverse=True):
            path = Path(folder) / f"{name}.hdf5"
            generate(checkpoint, energies_like(held_out), path, mirrors=True)
            samples[name.removeprefix("calogan-")] = open_showers(path)
        case = examine(open_showers(held_out), samples, None, "caloforge-1", only=("histograms",))
        with replaced(ROOT / "docs" / "images" / "calogan.png") as beside:
            beside.write_bytes(histograms(case.comparisons, SHOWN))


if __name__ == "__main__":
    main()
