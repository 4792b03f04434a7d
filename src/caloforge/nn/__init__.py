"""Networks: plain, masked and timed multilayer perceptrons."""

from caloforge.nn.made import MADE, MaskedLinear, hidden_degrees
from caloforge.nn.mlp import MLP
from caloforge.nn.timed_mlp import TimedMLP

__all__ = ["MADE", "MLP", "MaskedLinear", "TimedMLP", "hidden_degrees"]
