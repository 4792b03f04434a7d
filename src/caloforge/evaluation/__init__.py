"""How good generated showers are: protocols, classifiers, separation powers, naive generators, and the report."""

from caloforge.evaluation.evaluate import evaluate
from caloforge.evaluation.floors import Floor, measured_floor
from caloforge.evaluation.memorisation import Memorisation, memorisation, nearest_distances
from caloforge.evaluation.naive import diagonal_gaussian, nearest_rescaled
from caloforge.evaluation.panel import Verdict, judge
from caloforge.evaluation.preview import Preview, preview
from caloforge.evaluation.protocols import PROTOCOLS, Protocol, find_protocol
from caloforge.evaluation.sample import Sample

__all__ = [
    "PROTOCOLS",
    "Floor",
    "Memorisation",
    "Preview",
    "Protocol",
    "Sample",
    "Verdict",
    "diagonal_gaussian",
    "evaluate",
    "find_protocol",
    "judge",
    "measured_floor",
    "memorisation",
    "nearest_distances",
    "nearest_rescaled",
    "preview",
]
