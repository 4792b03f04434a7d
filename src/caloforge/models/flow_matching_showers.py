"""Flow matching with a transformer: layer energies by a small flow, then voxels given them (after CaloDREAM,
arXiv:2405.09629), or both at once."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from caloforge.detectors import Detector
from caloforge.factors import Factor, LayerEnergies, VoxelEnergies, VoxelShares, WholeShower
from caloforge.generative.flow_matching import VelocityField
from caloforge.models.caloflow import FlowSettings
from caloforge.models.flow_matching import FieldSection
from caloforge.models.patching import patch_layout
from caloforge.models.shower_model import ShowerModel
from caloforge.nn.dit import DiT
from caloforge.nn.patches import PatchLayout, side_by_side


class TransformerSettings(BaseModel):
    """Size of one DiT.

    patches: (layers, alpha bins, r bins) or (layers, x bins, y bins) of a patch, or a list of them, one for each run of
    layers with equal grids. width, depth, heads, mlp_ratio: of the transformer. condition_width: of what time and
    context become.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    patches: tuple[int, int, int] | tuple[tuple[int, int, int], ...]
    width: int = Field(default=480, ge=1)
    depth: int = Field(default=6, ge=1)
    heads: int = Field(default=6, ge=1)
    mlp_ratio: float = Field(default=4.0, gt=0)
    condition_width: int = Field(default=128, ge=1)


class _Common(BaseModel):
    """What both families say alike; energies in MeV.

    field: path, prediction, solver and steps. beta, alpha, noise_mev, voxel_space, threshold_mev: as in CaloFlow
    (`shares` in logits as CaloDREAM has them, `energies`: their log). offset_mev, empty_spread: of that log and of the
    noise in empty voxels, see `VoxelEnergies`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: FieldSection = FieldSection()
    beta: float = Field(default=1.05, gt=0)
    alpha: float = Field(default=1e-6, gt=0, lt=0.5)
    voxel_space: Literal["shares", "energies"] = "shares"
    noise_mev: float = Field(default=1e-3, gt=0)
    threshold_mev: float | None = Field(default=None, gt=0)
    offset_mev: float = Field(default=0.0, ge=0)
    empty_spread: float = Field(default=0.3, gt=0)

    def velocity_field(self, size: TransformerSettings, layout: PatchLayout, context_features: int) -> VelocityField:
        """The velocity field over the voxels of a layout."""
        network = DiT(
            layout, size.width, size.depth, size.heads, context_features, size.mlp_ratio, size.condition_width
        )
        return self.field.field(network, layout.features)

    def voxel_factor(self, model: nn.Module, detector: Detector) -> VoxelEnergies | VoxelShares:
        """The factor of the voxels in the chosen space."""
        threshold_mev = self.threshold_mev if self.threshold_mev is not None else detector.threshold_mev
        if self.voxel_space == "shares":
            return VoxelShares(model, detector.slices, self.alpha, self.noise_mev, threshold_mev)
        return VoxelEnergies(model, detector.slices, self.noise_mev, threshold_mev, self.offset_mev, self.empty_spread)


class FlowMatchingSettings(_Common):
    """What a recipe's `model` says for the family `flow-matching`: a spline flow for the layer energies, a DiT for the
    voxels."""

    family: Literal["flow-matching"] = "flow-matching"
    energies: FlowSettings = FlowSettings(blocks=6, hidden=64, layers=2)
    voxels: TransformerSettings


class OneStepSettings(_Common):
    """What a recipe's `model` says for the family `flow-matching-one-step`: one DiT for layer energies and voxels."""

    family: Literal["flow-matching-one-step"] = "flow-matching-one-step"
    shower: TransformerSettings


def flow_matching(settings: FlowMatchingSettings, detector: Detector) -> ShowerModel:
    """Layer energies, then voxels given them, not yet fitted: factors `energies` and `voxels`."""
    flow = settings.energies.flow(detector.n_layers, 1)
    energies = LayerEnergies(flow, detector.slices, settings.beta, settings.alpha, settings.noise_mev)
    layout = patch_layout(detector, settings.voxels.patches)
    field = settings.velocity_field(settings.voxels, layout, detector.n_layers + 1)
    factors: dict[str, Factor] = {"energies": energies, "voxels": settings.voxel_factor(field, detector)}
    return ShowerModel(detector, factors)


def one_step(settings: OneStepSettings, detector: Detector) -> ShowerModel:
    """Everything at once, not yet fitted: the factor `shower`. The layer energies are a token of their own."""
    voxels = patch_layout(detector, settings.shower.patches)
    layers = PatchLayout(((tuple(range(detector.n_layers)),),), ((0.0, 0.0, 0.0),), voxels.periodic)
    field = settings.velocity_field(settings.shower, side_by_side([layers, voxels]), 1)
    untaught = nn.Identity()
    energies = LayerEnergies(untaught, detector.slices, settings.beta, settings.alpha, settings.noise_mev)
    return ShowerModel(detector, {"shower": WholeShower(field, energies, settings.voxel_factor(untaught, detector))})
