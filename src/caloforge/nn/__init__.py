"""Networks: plain and masked multilayer perceptrons."""

from caloforge.nn.made import MADE, MaskedLinear, hidden_degrees
from caloforge.nn.mlp import MLP

__all__ = ["MADE", "MLP", "MaskedLinear", "hidden_degrees"]
