"""Generation on one core from packed weights, by kernels that need no compiler."""

from caloforge.deployment.fast.mlp import FastMLP

__all__ = ["FastMLP"]
