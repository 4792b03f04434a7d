"""FastShowers against the shower model that it was packed from, in both directions and both spaces of the voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from caloforge.deployment.fast import FastShowers
from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import draw_noise
from caloforge.models.caloflow import CaloFlowSettings, FlowSettings, caloflow
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.pretrained import pretrained
from caloforge.models.shower_model import ShowerModel

# Float32 carries its rounding through the splines; where one is steep it grows.
MEDIAN, USUAL, LARGEST = 5e-6, 3e-4, 5e-3


def inputs(model: ShowerModel, n: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    energy = 1e3 + 9.9e4 * torch.rand(n, generator=generator)
    return draw_noise(model.noise(), n, generator), energy


def compare(model: ShowerModel, n: int) -> None:
    """The same showers; of 10,000 voxels at most one on the other side of the threshold."""
    noise, energy = inputs(model, n)
    with torch.no_grad():
        state = model.decode_state(noise, {"incident_energy_mev": energy})
    found = FastShowers.of(model).generate(noise, energy)
    ours, theirs = found.deposits_mev, state["deposits_mev"].numpy()
    both = (ours > 0) & (theirs > 0)
    assert ((ours > 0) != (theirs > 0)).sum() <= max(1, ours.size // 10_000)
    assert both.any()
    off = abs(ours[both] / theirs[both] - 1)
    assert np.median(off) < MEDIAN and np.quantile(off, 0.999) < USUAL and off.max() < LARGEST
    np.testing.assert_allclose(found.layer_energy_mev, state["layer_energy_mev"].numpy(), rtol=1e-4, atol=1e-6)
    if "mismatch" in state:
        np.testing.assert_allclose(found.mismatch, state["mismatch"].numpy(), rtol=1e-3, atol=1e-5)
    sums = np.stack([ours[:, layer].astype(np.float64).sum(1) for layer in model.detector.slices], 1)
    np.testing.assert_array_less(sums, found.layer_energy_mev * (1 + 1e-4) + 1e-6)


@pytest.mark.parametrize("name", ["calogan-student", "calogan-teacher"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 100, 205])
def test_the_models_that_come_along(name: str, n: int) -> None:
    compare(load_checkpoint(pretrained()[name])[0].eval(), n)


def small(space: Any, direction: Any, layers: int = 2, bins: int = 8) -> ShowerModel:
    """A small CaloFlow with random weights, fitted to random showers."""
    torch.manual_seed(0)
    settings = CaloFlowSettings(
        energies=FlowSettings(blocks=2, hidden=20, layers=2, bins=4),
        voxels=FlowSettings(blocks=3, hidden=40, layers=layers, bins=bins, direction=direction),
        voxel_space=space,
    )
    detector = preset("calogan")
    model = caloflow(settings, detector).eval()
    energy = 1e3 + 9.9e4 * torch.rand(300)
    part = torch.rand(300, detector.n_voxels) ** 8
    model.fit(energy, part / part.sum(1, keepdim=True) * energy[:, None] * 0.9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("space", ["shares", "energies"])
@pytest.mark.parametrize("direction", ["masked", "inverse"])
@pytest.mark.parametrize("n", [1, 20])
def test_both_spaces_and_directions(space: str, direction: str, n: int) -> None:
    compare(small(space, direction), n)


@pytest.mark.parametrize(("layers", "bins"), [(1, 2), (3, 5)])
def test_other_sizes(layers: int, bins: int) -> None:
    compare(small("shares", "inverse", layers, bins), 9)


def test_batches_are_independent() -> None:
    model = load_checkpoint(pretrained()["calogan-student"])[0].eval()
    fast = FastShowers.of(model)
    noise, energy = inputs(model, 130)
    out = np.empty((130, 504), np.float32)
    together = fast.decode(noise, energy, out)
    assert together is out and np.array_equal(fast.decode(noise, energy), out)
    part = fast.decode({name: draw[17:45] for name, draw in noise.items()}, energy[17:45])
    np.testing.assert_allclose(part, together[17:45], rtol=LARGEST, atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    model = small("shares", "inverse")
    fast = FastShowers.of(model)
    noise, energy = inputs(model, 3)
    with pytest.raises(CaloforgeError, match=r"the noise holds \['voxels.z'\]"):
        fast.decode({"voxels.z": noise["voxels.z"]}, energy)
    with pytest.raises(CaloforgeError, match=r"voxels.z is an array of shape \(3, 503\)"):
        fast.decode({**noise, "voxels.z": noise["voxels.z"][:, 1:]}, energy)
    with pytest.raises(CaloforgeError, match=r"energies.z is an array of shape \(3, 3\).*\(2, 3\)"):
        fast.decode(noise, energy[:2])
    with pytest.raises(CaloforgeError, match="float64"):
        fast.decode(noise, energy.double())
    with pytest.raises(CaloforgeError, match="above zero"):
        fast.decode(noise, energy * 0)
    with pytest.raises(CaloforgeError, match=r"out is an array of shape \(2, 504\)"):
        fast.decode(noise, energy, np.zeros((2, 504), np.float32))


def test_other_models_are_refused_by_name() -> None:
    model = small("shares", "inverse")
    only = ShowerModel(model.detector, {"energies": model.factors["energies"]})  # type: ignore[dict-item]
    with pytest.raises(CaloforgeError, match="the model has energies: LayerEnergies"):
        FastShowers.of(only)
    model.factors["voxels"].model = torch.nn.Linear(1, 1)
    with pytest.raises(CaloforgeError, match="Linear was found"):
        FastShowers.of(model)
