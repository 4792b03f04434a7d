"""The first factor of CaloFlow: the energy of every layer given the incident energy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from caloforge.factors.factor import Factor, State
from caloforge.factors.lossy import dequantise, layer_sums
from caloforge.factors.transforms import LayerFractions, Logit, SmoothStandardise


class LayerEnergies(Factor):
    """p(E_1 ... E_L | E_inc): u-space of the layer energies, logit, standardised along the incident energy.

    model: a generative model over (N, L) given a context of one feature.
    slices: voxels of each layer. beta: upper bound of visible over incident energy. alpha: of the logit.
    noise_mev: uniform noise added to each layer, which keeps empty ones finite. Follows CaloFlow (arXiv:2210.14245).
    """

    log_energy: Tensor

    def __init__(
        self, model: nn.Module, slices: tuple[slice, ...], beta: float, alpha: float, noise_mev: float
    ) -> None:
        super().__init__()
        self.model, self.slices, self.noise_mev = model, slices, noise_mev
        self.fractions, self.logit = LayerFractions(beta), Logit(alpha)
        self.standardise = SmoothStandardise(len(slices))
        self.register_buffer("log_energy", torch.tensor([0.0, 1.0]))

    @property
    def context_features(self) -> int:
        """Columns of the context: the log of the incident energy."""
        return 1

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        log_energy = torch.log(incident_energy_mev.double())
        spread = log_energy.std() if len(log_energy) > 1 else log_energy.new_tensor(1.0)
        self.log_energy.copy_(torch.stack([log_energy.mean(), spread.clamp_min(1e-3)]))
        energy = incident_energy_mev.double()[:, None]
        self.standardise.fit(self._logits(deposits_mev, energy, torch.Generator().manual_seed(0)), energy)

    def _logits(self, deposits_mev: Tensor, energy_mev: Tensor, generator: torch.Generator) -> Tensor:
        layers = dequantise(layer_sums(deposits_mev, self.slices), self.noise_mev, generator)
        u, _ = self.fractions(layers, energy_mev)
        logits: Tensor = self.logit(u)[0]
        return logits

    def encode(
        self, incident_energy_mev: Tensor, deposits_mev: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        energy = incident_energy_mev.double()[:, None]
        x, _ = self.standardise(self._logits(deposits_mev, energy, generator), energy)
        return {"x": x.float(), "context": self.context({"incident_energy_mev": incident_energy_mev})}

    def context(self, state: State) -> Tensor:
        log_energy = torch.log(state["incident_energy_mev"].float())[:, None]
        return (log_energy - self.log_energy[0]) / self.log_energy[1]

    def write(self, x: Tensor, state: State) -> State:
        energy = state["incident_energy_mev"].float()[:, None]
        y = self.standardise.inverse(x, energy)
        layers = self.fractions.from_parts(self.logit.inverse(y), self.logit.complement(y), energy)
        return {"layer_energy_mev": layers}
