"""Factors of a shower model, and the transforms between MeV and network space."""

from caloforge.factors.factor import Factor, State
from caloforge.factors.incident_shares import IncidentShares
from caloforge.factors.layer_energies import LayerEnergies
from caloforge.factors.transforms import (
    Bijection,
    Chain,
    HitStandardise,
    LayerFractions,
    Log,
    Logit,
    SmoothStandardise,
    Softplus,
    Standardise,
    ThresholdLog,
)
from caloforge.factors.voxels import VoxelEnergies, VoxelHits, VoxelShares
from caloforge.factors.whole_shower import WholeShower

__all__ = [
    "Bijection",
    "Chain",
    "Factor",
    "HitStandardise",
    "IncidentShares",
    "LayerEnergies",
    "LayerFractions",
    "Log",
    "Logit",
    "SmoothStandardise",
    "Softplus",
    "Standardise",
    "State",
    "ThresholdLog",
    "VoxelEnergies",
    "VoxelHits",
    "VoxelShares",
    "WholeShower",
]
