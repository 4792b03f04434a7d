"""Entropic optimal transport by Sinkhorn's iterations in the log domain, and the coupling that samples its plan."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Batch
from caloforge.generative.coupling import Coupling
from caloforge.generative.transport_cost import centred_products, spread

_CHECK_EVERY = 10


def sinkhorn_plan(cost: Tensor, epsilon: float, *, iterations: int = 2000, tolerance: float = 1e-4) -> Tensor:
    """The plan P (..., N, M) that minimises sum P cost + epsilon sum P log P, with rows 1/N and columns 1/M in sum.

    cost        (..., N, M), finite, any device; leading dimensions are problems of their own
    epsilon     entropic regularisation, in units of the cost
    iterations  the most updates of both potentials
    tolerance   the iterations end when the sums of rows are off by less than this share of 1, in the mean

    Columns are met exactly. Sinkhorn's algorithm (Cuturi, arXiv:1306.0895) on the logarithms of the scalings, so that a
    small epsilon neither under- nor overflows. Raises CaloforgeError where epsilon is not above 0 or a cost not finite.
    """
    if not epsilon > 0 or not math.isfinite(epsilon):
        raise CaloforgeError(f"The regularisation epsilon of Sinkhorn is {epsilon!r}; give a number above 0.")
    if not bool(cost.isfinite().all()):
        raise CaloforgeError(
            "The cost given to Sinkhorn is not finite everywhere; look for NaN in the data of the batch."
        )
    log_kernel = cost / -epsilon
    n, m = cost.shape[-2:]
    f, g = cost.new_zeros(*cost.shape[:-1], 1), cost.new_zeros(*cost.shape[:-2], 1, m)
    for iteration in range(iterations):
        rows = torch.logsumexp(log_kernel + g, -1, keepdim=True)
        if iteration % _CHECK_EVERY == 0 and iteration:
            off = ((rows + f + math.log(n)).exp() - 1.0).abs().mean(-2).max()
            if float(off) < tolerance:
                break
        f = -rows - math.log(n)
        g = -torch.logsumexp(log_kernel + f, -2, keepdim=True) - math.log(m)
    return (log_kernel + f + g).exp()


@dataclass(frozen=True)
class Sinkhorn(Coupling):
    """Minibatch transport with entropy: the noise of each data sample is drawn from its part of Sinkhorn's plan.

    epsilon     regularisation in units of the cost's spread (`transport_cost.spread`): near 0 the coupling is
                optimal transport, far above 1 independent
    iterations, tolerance  as in `sinkhorn_plan`

    Noise may be drawn twice or not at all: it is kept in the mean only, data are kept one and all. Like `ExactOT` it
    ignores the condition. Everything but one uniform number per sample is computed on the device of the data.
    """

    epsilon: float = 0.1
    iterations: int = 2000
    tolerance: float = 1e-4

    def plan(self, noise: Tensor, data: Tensor) -> Tensor:
        """The plan (N, N) of data (N, ...) in rows and noise (N, ...) in columns; its sum is 1."""
        products = centred_products(data, noise)
        unit, cost = spread(products), products.mul_(-2.0)
        if unit == 0.0:
            return torch.full_like(cost, 1.0 / cost.numel())
        epsilon = self.epsilon * unit if math.isfinite(unit) else self.epsilon
        return sinkhorn_plan(cost, epsilon, iterations=self.iterations, tolerance=self.tolerance)

    def _order(self, noise: Tensor, data: Tensor, condition: Batch, rng: np.random.Generator) -> Tensor:
        below = self.plan(noise, data).double().cumsum(1)
        drawn = torch.from_numpy(rng.random((len(data), 1))).to(below.device) * below[:, -1:]
        return torch.searchsorted(below, drawn, right=True).squeeze(1).clamp(max=len(noise) - 1)
