"""Variational autoencoders of showers: one decoder MLP from latent and incident energy to every voxel, or layer
energies by a small flow first.

The classical one is the VAE of Geant4's example Par04 (latent 10, hidden 100-50-20-14, sigmoid times the incident
energy; geant4/examples/extended/parameterisations/Par04/training/core/constants.py). Hits with learned spread are ours.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.factors import Factor, IncidentShares, LayerEnergies, VoxelHits, WholeShower
from caloforge.generative.observation import CrossEntropy, GaussianMixture, Hits, Observation, SideBySide
from caloforge.generative.vae import VAE
from caloforge.models.caloflow import FlowSettings
from caloforge.models.shower_model import ShowerModel


class AutoencoderSettings(BaseModel):
    """Size of one autoencoder: latent numbers, hidden widths of encoder and decoder, dropout, normal laws per voxel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent: int = Field(default=10, ge=1)
    encoder: tuple[int, ...] = (256, 128)
    decoder: tuple[int, ...] = (128, 256)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    components: int = Field(default=1, ge=1)

    def model(self, observation: Observation, context_features: int) -> VAE:
        """The autoencoder of this size over what is observed."""
        return VAE(observation, context_features, self.latent, self.encoder, self.decoder, self.dropout)


class _Common(BaseModel):
    """What both families say alike; energies in MeV.

    beta: upper bound of visible over incident energy. alpha: of the logits of the layer energies. noise_mev: uniform
    noise on these. threshold_mev: generated voxels below are empty (the detector's threshold where not given).
    offset_mev: of the log of a hit's energy.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    beta: float = Field(default=1.05, gt=0)
    alpha: float = Field(default=1e-6, gt=0, lt=0.5)
    noise_mev: float = Field(default=1e-3, gt=0)
    threshold_mev: float | None = Field(default=None, gt=0)
    offset_mev: float = Field(default=0.0, ge=0)

    def threshold(self, detector: Detector) -> float:
        """The threshold in MeV."""
        return self.threshold_mev if self.threshold_mev is not None else detector.threshold_mev


class VaeSettings(_Common):
    """What a recipe's `model` says for the family `vae`: one decoder for the whole shower, factor `shower`.

    voxel_space: `hits`: layer energies in u-space, which voxels are hit, and the log of their energy; the voxels are
    scaled to the layers. `incident`: each voxel's share of the incident energy, the sigmoid of what the decoder
    says, as in Par04; only the latent is random.
    """

    family: Literal["vae"] = "vae"
    shower: AutoencoderSettings = AutoencoderSettings()
    voxel_space: Literal["hits", "incident"] = "hits"


class VaeGivenEnergiesSettings(_Common):
    """What a recipe's `model` says for the family `vae-given-energies`: a spline flow for the layer energies, an
    autoencoder for the hits given them; factors `energies` and `voxels`."""

    family: Literal["vae-given-energies"] = "vae-given-energies"
    energies: FlowSettings = FlowSettings(blocks=6, hidden=64, layers=2)
    voxels: AutoencoderSettings = AutoencoderSettings()


def vae(settings: VaeSettings, detector: Detector) -> ShowerModel:
    """One autoencoder of the whole shower, not yet fitted: the factor `shower`, its decoder an MLP at
    `factors.shower.model.decoder`.

    Raises CaloforgeError for several components of shares, which do not scatter.
    """
    size, threshold_mev = settings.shower, settings.threshold(detector)
    if settings.voxel_space == "incident":
        if size.components != 1:
            raise CaloforgeError(
                f"model.shower.components is {size.components}, but shares of the incident energy do not scatter about"
                " the decoder; leave it out, or say 'voxel_space: hits'."
            )
        shares = size.model(CrossEntropy(detector.n_voxels), 1)
        # Training starts from the incident energy spread over all voxels, not from half of it in each.
        nn.init.constant_(shares.decoder.last.bias, -math.log(detector.n_voxels))
        return ShowerModel(detector, {"shower": IncidentShares(shares, threshold_mev)})
    slices = detector.slices
    observation = SideBySide(
        {
            "energies": GaussianMixture(detector.n_layers, size.components),
            "voxels": Hits(detector.n_voxels, size.components),
        }
    )
    untaught = nn.Identity()
    energies = LayerEnergies(untaught, slices, settings.beta, settings.alpha, settings.noise_mev)
    voxels = VoxelHits(untaught, slices, settings.noise_mev, threshold_mev, settings.offset_mev)
    return ShowerModel(detector, {"shower": WholeShower(size.model(observation, 1), energies, voxels)})


def vae_given_energies(settings: VaeGivenEnergiesSettings, detector: Detector) -> ShowerModel:
    """Layer energies by a flow, then hits given them, not yet fitted: factors `energies` and `voxels`."""
    slices = detector.slices
    flow = settings.energies.flow(detector.n_layers, 1)
    model = settings.voxels.model(Hits(detector.n_voxels, settings.voxels.components), detector.n_layers + 1)
    threshold_mev = settings.threshold(detector)
    factors: dict[str, Factor] = {
        "energies": LayerEnergies(flow, slices, settings.beta, settings.alpha, settings.noise_mev),
        "voxels": VoxelHits(model, slices, settings.noise_mev, threshold_mev, settings.offset_mev),
    }
    return ShowerModel(detector, factors)
