"""Squared Euclidean costs of all pairs, as far as a coupling can tell them apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def centred_products(data: Tensor, noise: Tensor) -> Tensor:
    """Inner products (N, M) of data (N, ...) and noise (M, ...), each about its mean.

    |x - z|^2 is -2 times this product plus a number of the row and one of the column, which no permutation
    changes. Without them float32 keeps three digits more where the dimension is high.
    """
    x, z = data.detach().flatten(1), noise.detach().flatten(1)
    dtype = torch.promote_types(torch.promote_types(x.dtype, z.dtype), torch.float32)
    x, z = x.to(dtype), z.to(dtype)
    return (x - x.mean(0)) @ (z - z.mean(0)).T


def spread(products: Tensor) -> float:
    """Root mean square of the squared distances of all pairs, less the means of their row and column.

    products (N, M): those of `centred_products`. A coupling sees nothing else of the cost; what is weighed against it
    is given in this unit.
    """
    return 2.0 * float(torch.linalg.vector_norm(products, dtype=torch.float64)) / math.sqrt(max(products.numel(), 1))
