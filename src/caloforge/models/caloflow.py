"""CaloFlow: a flow of the layer energies, then one of the voxels (arXiv:2106.05285, 2110.11377, 2210.14245)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from caloforge.detectors import Detector
from caloforge.factors import Factor, LayerEnergies, VoxelEnergies, VoxelShares
from caloforge.generative.flow import Flow
from caloforge.models.shower_model import ShowerModel


class FlowSettings(BaseModel):
    """Size of one flow: spline blocks, hidden units and hidden layers of each MADE, bins, tails and dropout.

    direction: `masked` learns fast and inverts by walking (teacher); `inverse` generates in one pass (student).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocks: int = Field(default=8, ge=1)
    hidden: int = Field(default=378, ge=1)
    layers: int = Field(default=1, ge=1)
    bins: int = Field(default=8, ge=2)
    tail_bound: float = Field(default=14.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    direction: Literal["masked", "inverse"] = "masked"

    def flow(self, features: int, context_features: int) -> Flow:
        """The flow of this size over (N, features) given a context of (N, context_features)."""
        return Flow(
            features,
            context_features,
            blocks=self.blocks,
            hidden=[self.hidden] * self.layers,
            bins=self.bins,
            tail_bound=self.tail_bound,
            dropout=self.dropout,
            direction=self.direction,
        )


class CaloFlowSettings(BaseModel):
    """What a recipe's `model` says for the family `caloflow`; energies in MeV.

    beta: upper bound of visible over incident energy. alpha: of the logits. noise_mev: uniform noise on every voxel.
    voxel_space: `shares` of the layer in logits, as published, or `energies`, their log in MeV.
    threshold_mev: generated voxels below are emptied (the detector's threshold where not given).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Literal["caloflow"] = "caloflow"
    energies: FlowSettings = FlowSettings(blocks=6, hidden=64, layers=2)
    voxels: FlowSettings = FlowSettings()
    beta: float = Field(default=1.05, gt=0)
    alpha: float = Field(default=1e-6, gt=0, lt=0.5)
    voxel_space: Literal["shares", "energies"] = "shares"
    noise_mev: float = Field(default=1e-3, gt=0)
    threshold_mev: float | None = Field(default=None, gt=0)


def caloflow(settings: CaloFlowSettings, detector: Detector) -> ShowerModel:
    """CaloFlow over one detector, not yet fitted: factors `energies` and `voxels`."""
    slices = detector.slices
    threshold_mev = settings.threshold_mev if settings.threshold_mev is not None else detector.threshold_mev
    energies = LayerEnergies(
        settings.energies.flow(detector.n_layers, 1), slices, settings.beta, settings.alpha, settings.noise_mev
    )
    flow = settings.voxels.flow(detector.n_voxels, detector.n_layers + 1)
    voxels: Factor
    if settings.voxel_space == "shares":
        voxels = VoxelShares(flow, slices, settings.alpha, settings.noise_mev, threshold_mev)
    else:
        voxels = VoxelEnergies(flow, slices, settings.noise_mev, threshold_mev)
    return ShowerModel(detector, {"energies": energies, "voxels": voxels})
