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
