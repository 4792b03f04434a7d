"""Generation on one core from packed weights, by kernels that need no compiler."""

from caloforge.deployment.fast.autoencoder import FastAutoencoder
from caloforge.deployment.fast.engine import FastEngine, fast_showers
from caloforge.deployment.fast.mlp import FastMLP
from caloforge.deployment.fast.showers import FastShowers

__all__ = ["FastAutoencoder", "FastEngine", "FastMLP", "FastShowers", "fast_showers"]
