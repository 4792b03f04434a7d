"""The lossy steps of the voxel factors: noise of empty voxels, thresholds, scaling to the layers, contradictions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from caloforge.factors import IncidentShares, VoxelEnergies, VoxelHits
from caloforge.factors.lossy import fill_empty, layer_sums, scale_to_layers

SLICES = (slice(0, 4), slice(4, 7))
THRESHOLD = 0.01


def test_empty_voxels_become_noise_below_the_threshold_and_hits_stay() -> None:
    deposits = torch.tensor([[0.0, 0.009, 0.01, 5.0]]).repeat(5000, 1)
    filled = fill_empty(deposits, THRESHOLD, torch.Generator().manual_seed(0))
    assert torch.equal(filled[:, 2:], deposits[:, 2:])
    noise = filled[:, :2]
    assert (noise > 0).all() and (noise < THRESHOLD).all()
    assert noise.log10().mean().item() == pytest.approx(-2.5, abs=0.02)
    assert noise.log10().std().item() == pytest.approx(0.29, abs=0.03)


def test_scaling_keeps_shares_and_reaches_the_energy_of_each_layer() -> None:
    deposits = torch.tensor([[1.0, 3.0, 0.005, 0.0, 2.0, 2.0, 0.009], [0.003, 0.008, 0.0, 0.001, 1.0, 0.0, 0.0]])
    layers = torch.tensor([[8.0, 2.0], [7.0, 0.005]])
    scaled = scale_to_layers(deposits, layers, SLICES, THRESHOLD)
    torch.testing.assert_close(scaled[0], torch.tensor([2.0, 6.0, 0.0, 0.0, 1.0, 1.0, 0.0]))
    torch.testing.assert_close(scaled[1], torch.tensor([0.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0]))


def factor() -> tuple[VoxelEnergies, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    deposits = 50 * torch.rand(300, 7, generator=generator) ** 4
    deposits[deposits < 0.5] = 0
    one = VoxelEnergies(nn.Identity(), SLICES, 1e-3, THRESHOLD)
    energy = 1e3 + 1e3 * torch.rand(300, generator=generator)
    one.fit(energy, deposits)
    return one, energy, deposits


def test_geant4_showers_contradict_nothing() -> None:
    one, energy, deposits = factor()
    x = one.encode(energy, deposits, torch.Generator().manual_seed(0))["x"]
    layers = layer_sums(deposits, SLICES).float()
    written = one.write(x, {"incident_energy_mev": energy, "layer_energy_mev": layers})
    torch.testing.assert_close(written["deposits_mev"], deposits, rtol=1e-3, atol=0.02)
    assert written["mismatch"].max() < 1e-3


def test_what_lies_far_off_is_bounded_and_told() -> None:
    one, energy, deposits = factor()
    x = one.encode(energy, deposits, torch.Generator().manual_seed(0))["x"]
    layers = layer_sums(deposits, SLICES).float()
    spoiled = x.clone()
    spoiled[:, 0] = 1e6
    written = one.write(spoiled, {"incident_energy_mev": energy, "layer_energy_mev": layers})
    assert written["deposits_mev"].isfinite().all()
    at_the_bound = x.clone()
    at_the_bound[:, 0] = one.highest[0]
    same = one.write(at_the_bound, {"incident_energy_mev": energy, "layer_energy_mev": layers})
    assert torch.equal(written["deposits_mev"], same["deposits_mev"])
    assert written["mismatch"].median() > 0.1
    torch.testing.assert_close(layer_sums(written["deposits_mev"], SLICES).float(), layers, rtol=1e-4, atol=0.02)


def test_hits_go_there_and_back_and_what_is_off_is_told() -> None:
    _, energy, deposits = factor()
    one = VoxelHits(nn.Identity(), SLICES, 1e-3, THRESHOLD)
    one.fit(energy, deposits)
    x = one.encode(energy, deposits, torch.Generator().manual_seed(0))["x"]
    assert x.shape == (300, 14) and torch.equal(x[:, :7] > 0.5, deposits >= THRESHOLD)
    values = x[:, 7:]
    assert (values[deposits < THRESHOLD] == 0).all() and values[deposits >= THRESHOLD].std() < 1.5
    state = {"incident_energy_mev": energy, "layer_energy_mev": layer_sums(deposits, SLICES).float()}
    written = one.write(x, state)
    torch.testing.assert_close(written["deposits_mev"], deposits, rtol=1e-3, atol=1e-3)
    assert written["mismatch"].max() < 1e-3
    spoiled = x.clone()
    spoiled[:, 0], spoiled[:, 7] = 1.0, 1e6
    off = one.write(spoiled, state)
    assert off["deposits_mev"].isfinite().all() and off["mismatch"].max() > 0.1
    torch.testing.assert_close(layer_sums(off["deposits_mev"], SLICES).float()[:, 0], state["layer_energy_mev"][:, 0])


def test_shares_of_the_incident_energy_go_there_and_back() -> None:
    _, energy, deposits = factor()
    one = IncidentShares(nn.Identity(), THRESHOLD)
    one.fit(energy, deposits)
    batch = one.encode(energy, deposits, torch.Generator().manual_seed(0))
    assert (batch["x"] >= 0).all() and (batch["x"] <= 1).all()
    assert batch["context"].mean().abs() < 1e-4 and batch["context"].std().item() == pytest.approx(1, abs=1e-3)
    written = one.write(batch["x"], {"incident_energy_mev": energy})["deposits_mev"]
    torch.testing.assert_close(written, deposits)
    assert (one.write(torch.full((1, 7), 1e-9), {"incident_energy_mev": energy[:1]})["deposits_mev"] == 0).all()
