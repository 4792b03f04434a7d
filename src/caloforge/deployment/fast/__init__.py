"""Generation on one core from packed weights, by kernels that need no compiler."""

from caloforge.deployment.fast.mlp import FastMLP
from caloforge.deployment.fast.showers import FastShowers

__all__ = ["FastMLP", "FastShowers"]
