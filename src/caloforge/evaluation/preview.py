"""A look at the model while it trains: a figure beside Geant4, into the run's folder and into TensorBoard."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from caloforge.evaluation.plots import COLOURS, GREY, png
from caloforge.factors.lossy import layer_sums
from caloforge.files import replaced
from caloforge.generative.contracts import draw_noise
from caloforge.models.shower_model import ShowerModel
from caloforge.showers import Showers
from caloforge.training import Callback, Moment

SEED = 0
PATIENCE_S = 30.0
SHARE = 0.05
"""Of the time of training that figures may take, where drawing showers is slow."""
Floats = NDArray[np.float64]


class Preview(Callback):
    """Draws one shower for each of a few Geant4 showers (their incident energies) and compares the two.

    model: of whose factors those up to `factor` are drawn from. After a validation, at most every PATIENCE_S seconds
    and for a SHARE of the time, and at the end; the newest figure is preview.png in the run's folder. Its random
    numbers are its own.
    """

    def __init__(self, model: ShowerModel, factor: str, reference: Showers) -> None:
        self.model, self.factor, self.reference = model, factor, reference
        self._next = -np.inf

    def on_validation(self, moment: Moment) -> None:
        """Draw, unless the last figure is still fresh."""
        began = time.monotonic()
        if began >= self._next:
            self._show(moment)
            ended = time.monotonic()
            self._next = ended + max(PATIENCE_S, (ended - began) / SHARE)

    def on_end(self, moment: Moment) -> None:
        """Draw with the best weights."""
        self._show(moment)

    def _show(self, moment: Moment) -> None:
        figure = preview(self.model, self.factor, self.reference, f"step {moment.step:,} of {moment.steps:,}")
        with replaced(moment.out / "preview.png") as beside:
            beside.write_bytes(png(figure))
        moment.log.figure("preview", figure, moment.step)


@torch.no_grad()
def preview(model: ShowerModel, factor: str, reference: Showers, title: str) -> Figure:
    """Visible energy, layer energies and, where the factors up to `factor` give them, voxels, of model and Geant4."""
    energy = torch.as_tensor(np.asarray(reference.incident_energy_mev), dtype=torch.float32)
    known = torch.as_tensor(np.asarray(reference.deposits_mev), dtype=torch.float32)
    state = {"incident_energy_mev": energy}
    generator = torch.Generator().manual_seed(SEED)
    for name, one in model.named_factors():
        state = one.decode(draw_noise(one.noise(), len(energy), generator), state)
        if name == factor:
            break
    slices, incident = model.detector.slices, energy.double().numpy()
    given = layer_sums(known, slices).numpy()
    drawn = state["layer_energy_mev"] if "layer_energy_mev" in state else layer_sums(state["deposits_mev"], slices)
    layers = drawn.double().numpy()
    chosen = np.unique(np.linspace(0, len(slices) - 1, 3).round().astype(int)).tolist()
    panels: list[tuple[str, Floats, Floats]] = [
        ("visible / incident energy", given.sum(1) / incident, layers.sum(1) / incident)
    ]
    panels += [(f"layer {i} / incident energy", given[:, i] / incident, layers[:, i] / incident) for i in chosen]
    if "deposits_mev" in state:
        threshold = model.detector.threshold_mev
        true, made = (deposits.double().numpy() for deposits in (known, state["deposits_mev"]))
        logs = [np.log10(deposits[deposits >= threshold]) for deposits in (true, made)]
        panels.append(("log10 voxel energy [MeV]", logs[0], logs[1]))
        panels.append(("voxels hit", *((deposits >= threshold).sum(1).astype(float) for deposits in (true, made))))
    figure = Figure(figsize=(2.6 * len(panels), 2.6), layout="constrained")
    for axes, (label, expected, found) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        _panel(axes, label, expected, found)
    figure.suptitle(f"{title}: {len(energy)} showers; grey: Geant4", fontsize=8)
    return figure


def _panel(axes: Any, label: str, expected: Floats, found: Floats) -> None:
    finite = found[np.isfinite(found)]
    low, high = (float(value) for value in np.quantile(expected, (0.001, 0.999)))
    margin = max(0.15 * (high - low), 1e-3 * abs(high), 1e-6)
    edges = np.linspace(low - margin, high + margin, 41)
    for values, style in ((expected, {"fill": True, "color": GREY}), (finite, {"color": COLOURS[0]})):
        counts = np.histogram(values, edges)[0]
        axes.stairs(counts / max(len(values), 1), edges, **style)
    outside = np.mean((finite < edges[0]) | (finite > edges[-1])) if len(finite) else 1.0
    axes.set_xlabel(f"{label}\n{100 * outside:.1f} % outside", fontsize=7)
    axes.tick_params(labelsize=6)
