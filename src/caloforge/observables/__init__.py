"""What is measured on a shower: high-level features, their bins, separation power. NumPy and compiled loops."""

from caloforge.observables.binning import (
    BINNINGS,
    Binning,
    as_lists,
    binnings,
    discrete_energies,
    energy_edges,
    known_as,
    response_edges,
)
from caloforge.observables.clusters import Clusters, cluster_threshold_mev, find_clusters
from caloforge.observables.feature_table import FeatureTable
from caloforge.observables.features import Features, features_of, high_level
from caloforge.observables.floor_scale import floor_scale
from caloforge.observables.separation import (
    Comparison,
    compare,
    compare_counts,
    separation_of_counts,
    separation_power,
)
from caloforge.observables.spectrum import VoxelBins
from caloforge.observables.spill import scratch
from caloforge.observables.sums import LayerSums, layer_sums, voxel_counts

__all__ = [
    "BINNINGS",
    "Binning",
    "Clusters",
    "Comparison",
    "FeatureTable",
    "Features",
    "LayerSums",
    "VoxelBins",
    "as_lists",
    "binnings",
    "cluster_threshold_mev",
    "compare",
    "compare_counts",
    "discrete_energies",
    "energy_edges",
    "features_of",
    "find_clusters",
    "floor_scale",
    "high_level",
    "known_as",
    "layer_sums",
    "response_edges",
    "scratch",
    "separation_of_counts",
    "separation_power",
    "voxel_counts",
]
