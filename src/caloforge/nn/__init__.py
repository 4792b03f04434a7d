"""Networks: plain and masked multilayer perceptrons, and a transformer over patches of voxels."""

from caloforge.nn.attention import SelfAttention
from caloforge.nn.dit import DiT
from caloforge.nn.made import MADE, MaskedLinear, hidden_degrees
from caloforge.nn.mlp import MLP
from caloforge.nn.patches import PatchLayout, side_by_side
from caloforge.nn.position import encode_positions
from caloforge.nn.rms_norm import rms_norm
from caloforge.nn.timed_mlp import TimedMLP

__all__ = [
    "MADE",
    "MLP",
    "DiT",
    "MaskedLinear",
    "PatchLayout",
    "SelfAttention",
    "TimedMLP",
    "encode_positions",
    "hidden_degrees",
    "rms_norm",
    "side_by_side",
]
