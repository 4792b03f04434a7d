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
from caloforge.evaluation.protocol import PARTS, Panel, Protocol
from caloforge.evaluation.protocols import PROTOCOLS, default_protocol, find_protocol
from caloforge.evaluation.results import entries, load_results, same_table, save_results
from caloforge.evaluation.sample import Sample

__all__ = [
    "PARTS",
    "PROTOCOLS",
    "CorrelationDifference",
    "Correlations",
    "Floor",
    "FrechetSettings",
    "KernelSettings",
    "Memorisation",
    "Multiclass",
    "MulticlassSettings",
    "Panel",
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
    "default_protocol",
    "diagonal_gaussian",
    "energy_bins",
    "entries",
    "evaluate",
    "find_protocol",
    "fpd",
    "gather_physics",
    "judge",
    "kpd",
    "load_results",
    "log_voxels",
    "measured_floor",
    "memorisation",
    "multiclass",
    "nearest_distances",
    "nearest_rescaled",
    "prdc",
    "preview",
    "same_table",
    "save_results",
]
