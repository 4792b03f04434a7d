"""Everything at once, without layer energies: each voxel's share of the incident energy, as in Geant4's Par04."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from caloforge.factors.factor import Factor, State


class IncidentShares(Factor):
    """p(voxels | E_inc) over x (N, V) in [0, 1]: each voxel's energy over the incident energy.

    model: a generative model over (N, V) in [0, 1] given a context of one feature, e.g. a VAE that observes
    `CrossEntropy`. threshold_mev: generated voxels below are emptied. A voxel cannot hold more than the incident
    energy, and nothing holds the sum of a layer or of the shower.
    """

    log_energy: Tensor

    def __init__(self, model: nn.Module, threshold_mev: float) -> None:
        super().__init__()
        self.model, self.threshold_mev = model, threshold_mev
        self.register_buffer("log_energy", torch.tensor([0.0, 1.0]))

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        log_energy = torch.log(incident_energy_mev.double())
        spread = log_energy.std() if len(log_energy) > 1 else log_energy.new_tensor(1.0)
        self.log_energy.copy_(torch.stack([log_energy.mean(), spread.clamp_min(1e-3)]))

    def encode(
        self, incident_energy_mev: Tensor, deposits_mev: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        x = deposits_mev.float() / incident_energy_mev.float()[:, None]
        return {"x": x.clamp(0, 1), "context": self.context({"incident_energy_mev": incident_energy_mev})}

    def context(self, state: State) -> Tensor:
        log_energy = torch.log(state["incident_energy_mev"].float())[:, None]
        return (log_energy - self.log_energy[0]) / self.log_energy[1]

    def write(self, x: Tensor, state: State) -> State:
        deposits = x * state["incident_energy_mev"].float()[:, None]
        return {"deposits_mev": torch.where(deposits >= self.threshold_mev, deposits, torch.zeros_like(deposits))}
