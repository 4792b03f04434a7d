"""How good generated showers are: protocols, classifiers, separation powers, naive generators, and the report."""

from caloforge.evaluation.correlations import (
    CorrelationDifference,
    Correlations,
    compare_correlations,
    correlations,
)
from caloforge.evaluation.energy_bins import auc_by_energy, energy_bins
from caloforge.evaluation.evaluate import evaluate
from caloforge.evaluation.feature_pairs import comparable
from caloforge.evaluation.floors import Floor, measured_floor
from caloforge.evaluation.frechet import FrechetSettings, fpd
from caloforge.evaluation.kernel_distance import KernelSettings, kpd
from caloforge.evaluation.memorisation import Memorisation, memorisation, nearest_distances
from caloforge.evaluation.multiclass import Multiclass, MulticlassSettings, multiclass
from caloforge.evaluation.naive import diagonal_gaussian, nearest_rescaled
from caloforge.evaluation.panel import Verdict, judge
from caloforge.evaluation.physics import Physics, compare_physics, gather_physics
from caloforge.evaluation.prdc import Prdc, log_voxels, prdc
from caloforge.evaluation.preview import Preview, preview
from caloforge.evaluation.protocols import PROTOCOLS, Protocol, find_protocol
from caloforge.evaluation.sample import Sample

__all__ = [
    "PROTOCOLS",
    "CorrelationDifference",
    "Correlations",
    "Floor",
    "FrechetSettings",
    "KernelSettings",
    "Memorisation",
    "Multiclass",
    "MulticlassSettings",
    "Physics",
    "Prdc",
    "Preview",
    "Protocol",
    "Sample",
    "Verdict",
    "auc_by_energy",
    "comparable",
    "compare_correlations",
    "compare_physics",
    "correlations",
    "diagonal_gaussian",
    "energy_bins",
    "evaluate",
    "find_protocol",
    "fpd",
    "gather_physics",
    "judge",
    "kpd",
    "log_voxels",
    "measured_floor",
    "memorisation",
    "multiclass",
    "nearest_distances",
    "nearest_rescaled",
    "prdc",
    "preview",
]
