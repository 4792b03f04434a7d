"""The second factor of CaloFlow: every voxel given the layer energies and the incident energy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from caloforge.factors.factor import Factor, State
from caloforge.factors.lossy import dequantise, layer_sums, normalise_layers, share_layers
from caloforge.factors.transforms import Logit, SmoothStandardise, Standardise

LAYER_FLOOR = 1e-8


class VoxelShares(Factor):
    """p(voxels | E_1 ... E_L, E_inc): each voxel's share of its layer, logit, standardised along the incident energy.

    model: a generative model over (N, V) given a context of L + 1 features (log incident energy, log layer fractions).
    slices: voxels of each layer. alpha: of the logit. noise_mev: uniform noise on each voxel, below threshold_mev,
    under which a generated voxel is emptied. Follows CaloFlow (arXiv:2210.14245); the smooth standardisation is ours.
    """

    def __init__(
        self, model: nn.Module, slices: tuple[slice, ...], alpha: float, noise_mev: float, threshold_mev: float
    ) -> None:
        super().__init__()
        self.model, self.slices = model, slices
        self.noise_mev, self.threshold_mev = noise_mev, threshold_mev
        self.logit = Logit(alpha)
        self.standardise = SmoothStandardise(slices[-1].stop)
        self.conditions = Standardise(len(slices) + 1)

    @property
    def context_features(self) -> int:
        """Columns of the context: one for the incident energy and one for each layer."""
        return len(self.slices) + 1

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        energy = incident_energy_mev.double()[:, None]
        layers = self._layers(deposits_mev, torch.Generator().manual_seed(1))
        self.conditions.fit(self._logs(energy, layers), energy)
        self.standardise.fit(self._logits(deposits_mev.double(), torch.Generator().manual_seed(0)), energy)

    @staticmethod
    def _logs(energy_mev: Tensor, layer_energy_mev: Tensor) -> Tensor:
        fractions = layer_energy_mev / energy_mev
        return torch.cat([torch.log(energy_mev), torch.log(fractions.clamp_min(0) + LAYER_FLOOR)], dim=-1)

    def _layers(self, deposits_mev: Tensor, generator: torch.Generator) -> Tensor:
        return dequantise(layer_sums(deposits_mev, self.slices), self.noise_mev, generator)

    def _logits(self, deposits_mev: Tensor, generator: torch.Generator) -> Tensor:
        noisy = dequantise(deposits_mev, self.noise_mev, generator)
        logits: Tensor = self.logit(normalise_layers(noisy, self.slices))[0]
        return logits

    def encode(
        self, incident_energy_mev: Tensor, deposits_mev: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        energy = incident_energy_mev.float()[:, None]
        x, _ = self.standardise(self._logits(deposits_mev.float(), generator), energy)
        layers = self._layers(deposits_mev, generator).float()
        state = {"incident_energy_mev": incident_energy_mev, "layer_energy_mev": layers}
        return {"x": x, "context": self.context(state)}

    def context(self, state: State) -> Tensor:
        energy = state["incident_energy_mev"].float()[:, None]
        context: Tensor = self.conditions(self._logs(energy, state["layer_energy_mev"]), energy)[0]
        return context

    def write(self, x: Tensor, state: State) -> State:
        energy = state["incident_energy_mev"].float()[:, None]
        shares = self.logit.inverse(self.standardise.inverse(x, energy))
        return {"deposits_mev": share_layers(shares, state["layer_energy_mev"], self.slices, self.threshold_mev)}
