"""Everything at once: layer energies and voxels as one vector, given the incident energy."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from caloforge.factors.factor import Factor, State
from caloforge.factors.layer_energies import LayerEnergies
from caloforge.factors.voxels import VoxelEnergies, VoxelHits, VoxelShares


class WholeShower(Factor):
    """p(E_1 ... E_L, voxels | E_inc) in one step, over x = (u-space of the layer energies, voxels), (N, L + V), or
    (N, L + 2 V) where the voxels are `VoxelHits`.

    model: a generative model over x given a context of one feature. energies, voxels: say how the two parts go to
    network space and back; their own models are not used. As in CaloINN (arXiv:2312.09290), which learns the
    layer energies beside the voxels.
    """

    def __init__(
        self, model: nn.Module, energies: LayerEnergies, voxels: VoxelEnergies | VoxelHits | VoxelShares
    ) -> None:
        super().__init__()
        self.model, self.energies, self.voxels = model, energies, voxels

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        self.energies.fit(incident_energy_mev, deposits_mev)
        self.voxels.fit(incident_energy_mev, deposits_mev)

    def encode(
        self, incident_energy_mev: Tensor, deposits_mev: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        layers = self.energies.encode(incident_energy_mev, deposits_mev, generator)
        voxels = self.voxels.encode(incident_energy_mev, deposits_mev, generator)
        return {"x": torch.cat([layers["x"], voxels["x"]], -1), "context": layers["context"]}

    def context(self, state: State) -> Tensor:
        return self.energies.context(state)

    def write(self, x: Tensor, state: State) -> State:
        n_layers = len(self.energies.slices)
        layers = self.energies.write(x[:, :n_layers], state)
        return {**layers, **self.voxels.write(x[:, n_layers:], {**state, **layers})}
