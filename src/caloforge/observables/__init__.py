"""What is measured on a shower: high-level features, their bins, separation power. NumPy only."""

from caloforge.observables.binning import (
    as_lists,
    binnings,
    discrete_energies,
    energy_edges,
    known_as,
    response_edges,
)
from caloforge.observables.features import Features, high_level
from caloforge.observables.separation import Comparison, compare, separation_of_counts, separation_power

__all__ = [
    "Comparison",
    "Features",
    "as_lists",
    "binnings",
    "compare",
    "discrete_energies",
    "energy_edges",
    "high_level",
    "known_as",
    "response_edges",
    "separation_of_counts",
    "separation_power",
]
