"""Factors of a shower model, and the transforms between MeV and network space."""

from caloforge.factors.factor import Factor, State
from caloforge.factors.layer_energies import LayerEnergies
from caloforge.factors.transforms import (
    Bijection,
    Chain,
    LayerFractions,
    Log,
    Logit,
    SmoothStandardise,
    Softplus,
    Standardise,
    ThresholdLog,
)
from caloforge.factors.voxels import VoxelEnergies, VoxelShares
from caloforge.factors.whole_shower import WholeShower

__all__ = [
    "Bijection",
    "Chain",
    "Factor",
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
    "VoxelShares",
    "WholeShower",
]
