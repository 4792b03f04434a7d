"""Steps that lose something on purpose: noise below the threshold, the threshold itself, and the layer's own sum."""

from __future__ import annotations

import torch
from torch import Tensor


def dequantise(deposits_mev: Tensor, noise_mev: float, generator: torch.Generator) -> Tensor:
    """Deposits (N, V) in MeV plus uniform noise in [0, noise_mev); drawn afresh at every call (CaloFlow: 1 keV)."""
    noise = torch.rand(deposits_mev.shape, generator=generator, dtype=torch.float32, device=deposits_mev.device)
    return deposits_mev + noise_mev * noise.to(deposits_mev.dtype)


def layer_sums(deposits_mev: Tensor, slices: tuple[slice, ...]) -> Tensor:
    """Energy of each layer (N, L) in MeV, summed in float64."""
    return torch.stack([deposits_mev[:, layer].double().sum(-1) for layer in slices], dim=-1)


def normalise_layers(deposits_mev: Tensor, slices: tuple[slice, ...]) -> Tensor:
    """Each voxel's share (N, V) of its layer's energy; zero throughout in an empty layer."""
    energies = layer_sums(deposits_mev, slices).to(deposits_mev.dtype)
    shares = [deposits_mev[:, layer] / energies[:, i : i + 1].clamp_min(1e-30) for i, layer in enumerate(slices)]
    return torch.cat(shares, dim=-1)


def share_layers(shares: Tensor, layer_energy_mev: Tensor, slices: tuple[slice, ...], threshold_mev: float) -> Tensor:
    """Deposits (N, V) in MeV: shares of given layer energies (N, L); voxels below the threshold are emptied and what
    remains of a layer is scaled to its energy. A layer with less than the threshold in every voxel stays empty."""
    layers = []
    for i, layer in enumerate(slices):
        energy = layer_energy_mev[:, i : i + 1]
        share = shares[:, layer]
        share = share / share.sum(-1, keepdim=True).clamp_min(1e-30)
        kept = torch.where(share * energy >= threshold_mev, share, torch.zeros_like(share))
        layers.append(kept / kept.sum(-1, keepdim=True).clamp_min(1e-30) * energy)
    return torch.cat(layers, dim=-1)


FILL_CENTRE, FILL_SPREAD, FILL_RANGE = -0.5, 0.3, (-1.6, 0.42)
"""Noise of empty voxels in decades: centre from the threshold, spread, and where it is cut about the centre."""


def fill_empty(
    deposits_mev: Tensor, threshold_mev: float, generator: torch.Generator, spread: float = FILL_SPREAD
) -> Tensor:
    """Deposits (N, V) in MeV with every voxel below the threshold replaced by log-normal noise just below it, of this
    spread in decades."""
    draws = torch.randn(deposits_mev.shape, generator=generator, dtype=torch.float32, device=deposits_mev.device)
    decades = FILL_CENTRE + (spread * draws).clamp(*FILL_RANGE)
    return torch.where(deposits_mev < threshold_mev, (threshold_mev * 10**decades).to(deposits_mev.dtype), deposits_mev)


def scale_to_layers(
    deposits_mev: Tensor, layer_energy_mev: Tensor, slices: tuple[slice, ...], threshold_mev: float
) -> Tensor:
    """Deposits (N, V) in MeV without the voxels below the threshold, each layer scaled to its energy (N, L) in MeV.

    Where no voxel of a layer reaches the threshold, its brightest one holds the layer's energy; a layer of less energy
    than the threshold is empty.
    """
    layers = []
    for i, layer in enumerate(slices):
        voxels, energy = deposits_mev[:, layer], layer_energy_mev[:, i : i + 1]
        least = voxels.amax(-1, keepdim=True).clamp_max(threshold_mev)
        kept = torch.where(voxels >= least, voxels, torch.zeros_like(voxels))
        scale = torch.where(energy >= threshold_mev, energy, torch.zeros_like(energy))
        layers.append(kept * (scale / kept.sum(-1, keepdim=True).clamp_min(1e-30)))
    return torch.cat(layers, dim=-1)
