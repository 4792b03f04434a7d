"""The playground: flow matching on data in one and two dimensions, trained in seconds, to be looked at."""

from caloforge.playground.comparison import Comparison, Settings, compare, default_couplings
from caloforge.playground.measures import straightness, wasserstein
from caloforge.playground.toys import TOYS, Checkerboard, Mixture, Moons, Ring, Toy

__all__ = [
    "TOYS",
    "Checkerboard",
    "Comparison",
    "Mixture",
    "Moons",
    "Ring",
    "Settings",
    "Toy",
    "compare",
    "default_couplings",
    "straightness",
    "wasserstein",
]
