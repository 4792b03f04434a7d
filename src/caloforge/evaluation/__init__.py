"""How good generated showers are: protocols, classifiers, separation powers, naive generators, and the report."""

from caloforge.evaluation.evaluate import evaluate
from caloforge.evaluation.floors import Floor, measured_floor
from caloforge.evaluation.memorisation import Memorisation, memorisation, nearest_distances
from caloforge.evaluation.naive import diagonal_gaussian, nearest_rescaled
from caloforge.evaluation.panel import Verdict, judge
from caloforge.evaluation.preview import Preview, preview
from caloforge.evaluation.protocol import PARTS, Panel, Protocol
from caloforge.evaluation.protocols import PROTOCOLS, default_protocol, find_protocol
from caloforge.evaluation.results import entries, load_results, same_table, save_results
from caloforge.evaluation.sample import Sample

__all__ = [
    "PARTS",
    "PROTOCOLS",
    "Floor",
    "Memorisation",
    "Panel",
    "Preview",
    "Protocol",
    "Sample",
    "Verdict",
    "default_protocol",
    "diagonal_gaussian",
    "entries",
    "evaluate",
    "find_protocol",
    "judge",
    "load_results",
    "measured_floor",
    "memorisation",
    "nearest_distances",
    "nearest_rescaled",
    "preview",
    "same_table",
    "save_results",
]
