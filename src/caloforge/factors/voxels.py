"""The second factor of CaloFlow: every voxel given the layer energies and the incident energy, in three spaces."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from caloforge.factors.factor import Factor, State
from caloforge.factors.lossy import (
    FILL_SPREAD,
    dequantise,
    fill_empty,
    layer_sums,
    normalise_layers,
    scale_to_layers,
    share_layers,
)
from caloforge.factors.transforms import HitStandardise, Logit, SmoothStandardise, Standardise, ThresholdLog

LAYER_FLOOR = 1e-8


class _Voxels(Factor):
    """What all spaces share: the context, and the smooth standardisation of what `_line` makes of the deposits."""

    def __init__(self, model: nn.Module, slices: tuple[slice, ...], noise_mev: float, threshold_mev: float) -> None:
        super().__init__()
        self.model, self.slices = model, slices
        self.noise_mev, self.threshold_mev = noise_mev, threshold_mev
        self.standardise = SmoothStandardise(slices[-1].stop)
        self.conditions = Standardise(len(slices) + 1)

    def _line(self, deposits_mev: Tensor, generator: torch.Generator) -> Tensor:
        """Deposits (N, V) as unbounded numbers (N, V), not yet standardised."""
        raise NotImplementedError

    @property
    def context_features(self) -> int:
        """Columns of the context: one for the incident energy and one for each layer."""
        return len(self.slices) + 1

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        energy = incident_energy_mev.double()[:, None]
        layers = self._layers(deposits_mev, torch.Generator().manual_seed(1))
        self.conditions.fit(self._logs(energy, layers), energy)
        self.standardise.fit(self._line(deposits_mev, torch.Generator().manual_seed(0)), energy)

    @staticmethod
    def _logs(energy_mev: Tensor, layer_energy_mev: Tensor) -> Tensor:
        fractions = layer_energy_mev / energy_mev
        return torch.cat([torch.log(energy_mev), torch.log(fractions.clamp_min(0) + LAYER_FLOOR)], dim=-1)

    def _layers(self, deposits_mev: Tensor, generator: torch.Generator) -> Tensor:
        return dequantise(layer_sums(deposits_mev, self.slices), self.noise_mev, generator)

    def encode(
        self, incident_energy_mev: Tensor, deposits_mev: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        energy = incident_energy_mev.float()[:, None]
        x, _ = self.standardise(self._line(deposits_mev.float(), generator), energy)
        layers = self._layers(deposits_mev, generator).float()
        state = {"incident_energy_mev": incident_energy_mev, "layer_energy_mev": layers}
        return {"x": x, "context": self.context(state)}

    def context(self, state: State) -> Tensor:
        energy = state["incident_energy_mev"].float()[:, None]
        context: Tensor = self.conditions(self._logs(energy, state["layer_energy_mev"]), energy)[0]
        return context


class VoxelShares(_Voxels):
    """p(voxels | E_1 ... E_L, E_inc): each voxel's share of its layer, logit, standardised along the incident energy.

    model: a generative model over (N, V) given a context of L + 1 features (log incident energy, log layer fractions).
    slices: voxels of each layer. alpha: of the logit. noise_mev: uniform noise on each voxel, below threshold_mev,
    under which a generated voxel is emptied. Follows CaloFlow (arXiv:2210.14245); the smooth standardisation is ours.
    """

    def __init__(
        self, model: nn.Module, slices: tuple[slice, ...], alpha: float, noise_mev: float, threshold_mev: float
    ) -> None:
        super().__init__(model, slices, noise_mev, threshold_mev)
        self.logit = Logit(alpha)

    def _line(self, deposits_mev: Tensor, generator: torch.Generator) -> Tensor:
        noisy = dequantise(deposits_mev, self.noise_mev, generator)
        logits: Tensor = self.logit(normalise_layers(noisy, self.slices))[0]
        return logits

    def write(self, x: Tensor, state: State) -> State:
        energy = state["incident_energy_mev"].float()[:, None]
        shares = self.logit.inverse(self.standardise.inverse(x, energy))
        return {"deposits_mev": share_layers(shares, state["layer_energy_mev"], self.slices, self.threshold_mev)}


class _LogEnergies(_Voxels):
    """What the two spaces of the voxels' own energies share: their log, the range of the showers fitted to, within
    which generated ones stay, and the scaling to the layers' energies."""

    lowest: Tensor
    highest: Tensor

    def __init__(
        self, model: nn.Module, slices: tuple[slice, ...], noise_mev: float, threshold_mev: float, offset_mev: float
    ) -> None:
        super().__init__(model, slices, noise_mev, threshold_mev)
        self.log = ThresholdLog(threshold_mev, offset_mev)
        self.register_buffer("lowest", torch.full((slices[-1].stop,), -math.inf))
        self.register_buffer("highest", torch.full((slices[-1].stop,), math.inf))

    def _bounded_mev(self, values: Tensor, energy_mev: Tensor) -> Tensor:
        """Energies (N, V) in MeV of standardised logs (N, V), these held within the range fitted to."""
        bounded = torch.minimum(torch.maximum(values, self.lowest), self.highest)
        energies: Tensor = self.log.inverse(self.standardise.inverse(bounded, energy_mev))
        return energies

    def _scaled(self, drawn_mev: Tensor, visible_mev: Tensor, layer_energy_mev: Tensor) -> State:
        """Deposits (N, V) of energies (N, V) scaled to the layers' (N, L), all in MeV, and the `mismatch` (N,): by how
        much the visible ones had missed a layer at most, over the shower's energy."""
        deposits = scale_to_layers(drawn_mev, layer_energy_mev, self.slices, self.threshold_mev)
        missed = (layer_sums(visible_mev, self.slices) - layer_energy_mev).abs().amax(-1)
        return {"deposits_mev": deposits, "mismatch": missed / layer_energy_mev.sum(-1).clamp_min(self.threshold_mev)}


class VoxelEnergies(_LogEnergies):
    """p(voxels | E_1 ... E_L, E_inc) in the log of each voxel's energy, standardised along the incident energy.

    Most voxels of a shower hold a few MeV whatever their layer's energy, so their log in MeV hardly moves with it,
    while their share does. Empty voxels become log-normal noise just below the threshold (`fill_empty`), a narrow peak
    beside the spectrum. Generated voxels stay within the range of the showers fitted to, those below the threshold
    are emptied and the rest scaled to the layer's energy; how much that had to change is the `mismatch`.
    model, slices, noise_mev (on the layer energies), threshold_mev as in VoxelShares. offset_mev: of the log, see
    `ThresholdLog`; empty_spread: of the noise, in decades. Models that smear want a large offset and a narrow noise.
    Our own variation of CaloFlow (arXiv:2106.05285).
    """

    def __init__(
        self,
        model: nn.Module,
        slices: tuple[slice, ...],
        noise_mev: float,
        threshold_mev: float,
        offset_mev: float = 0.0,
        empty_spread: float = FILL_SPREAD,
    ) -> None:
        super().__init__(model, slices, noise_mev, threshold_mev, offset_mev)
        self.empty_spread = empty_spread

    def _line(self, deposits_mev: Tensor, generator: torch.Generator) -> Tensor:
        line: Tensor = self.log(fill_empty(deposits_mev, self.threshold_mev, generator, self.empty_spread))[0]
        return line

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        super().fit(incident_energy_mev, deposits_mev)
        x = self.encode(incident_energy_mev, deposits_mev, torch.Generator().manual_seed(0))["x"]
        self.lowest.copy_(x.amin(0))
        self.highest.copy_(x.amax(0))

    def write(self, x: Tensor, state: State) -> State:
        drawn = self._bounded_mev(x, state["incident_energy_mev"].float()[:, None])
        visible = torch.where(drawn >= self.threshold_mev, drawn, torch.zeros_like(drawn))
        return self._scaled(drawn, visible, state["layer_energy_mev"])


LEAST_RANGE = 2.5
"""Generated hits may always lie this many spreads from the mean, also in voxels that were seldom hit."""


class VoxelHits(_LogEnergies):
    """p(voxels | E_1 ... E_L, E_inc) as hits and what each holds: x (N, 2 V) is one where a voxel reaches the threshold
    and zero elsewhere, then the log of its energy, standardised over its hits along the incident energy (zero where it
    is empty).

    Nothing stands for empty voxels, so the model must say itself which are hit, e.g. a VAE that observes `Hits`.
    Generated hits stay within the range of the showers fitted to and are scaled to the layer's energy; how much that
    had to change is the `mismatch`. model, slices, noise_mev (on the layer energies), threshold_mev as in VoxelShares;
    offset_mev: the log is that of the energy plus this.
    """

    def __init__(
        self,
        model: nn.Module,
        slices: tuple[slice, ...],
        noise_mev: float,
        threshold_mev: float,
        offset_mev: float = 0.0,
    ) -> None:
        super().__init__(model, slices, noise_mev, threshold_mev, offset_mev)
        self.standardise = HitStandardise(slices[-1].stop)

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        energy = incident_energy_mev.double()[:, None]
        layers = self._layers(deposits_mev, torch.Generator().manual_seed(1))
        self.conditions.fit(self._logs(energy, layers), energy)
        hit = deposits_mev >= self.threshold_mev
        cast(HitStandardise, self.standardise).fit_hits(self.log(deposits_mev)[0], hit, energy)
        values = self._hits(incident_energy_mev, deposits_mev)[:, self.slices[-1].stop :]
        self.lowest.copy_(values.amin(0).clamp_max(-LEAST_RANGE))
        self.highest.copy_(values.amax(0).clamp_min(LEAST_RANGE))

    def _hits(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> Tensor:
        deposits = deposits_mev.float()
        hit = (deposits >= self.threshold_mev).float()
        values = self.standardise(self.log(deposits)[0], incident_energy_mev.float()[:, None])[0]
        return torch.cat([hit, hit * values], -1)

    def encode(
        self, incident_energy_mev: Tensor, deposits_mev: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        layers = self._layers(deposits_mev, generator).float()
        state = {"incident_energy_mev": incident_energy_mev, "layer_energy_mev": layers}
        return {"x": self._hits(incident_energy_mev, deposits_mev), "context": self.context(state)}

    def write(self, x: Tensor, state: State) -> State:
        hit, values = x.tensor_split(2, -1)
        energies = self._bounded_mev(values, state["incident_energy_mev"].float()[:, None])
        energies = energies.clamp_min(self.threshold_mev)
        drawn = torch.where(hit > 0.5, energies, torch.zeros_like(energies))
        return self._scaled(drawn, drawn, state["layer_energy_mev"])
