"""Entropic optimal transport by Sinkhorn's iterations in the log domain, and the coupling that samples its plan."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Batch
from caloforge.generative.coupling import Coupling
from caloforge.generative.transport_cost import centred_products, spread

_CHECK_EVERY = 10
_COARSEST = 0.01
_NOTICED = 0.01
"""Rows that are off by this share of their sum are worth a warning."""


def sinkhorn_plan(cost: Tensor, epsilon: float, *, iterations: int = 2000, tolerance: float = 1e-4) -> Tensor:
    """The plan P (..., N, M) that minimises sum P cost + epsilon sum P log P, with rows 1/N and columns 1/M in sum.

    cost        (..., N, M), finite, any device; leading dimensions are problems of their own
    epsilon     entropic regularisation, in units of the cost
    iterations  the most updates of both potentials
    tolerance   the iterations end when the sums of rows are off by less than this share of 1, in the mean

    Columns are met exactly. Sinkhorn's algorithm (Cuturi, arXiv:1306.0895) on the logarithms of the scalings, so that a
    small epsilon neither under- nor overflows; it is come to from a larger one in steps of two. Warns where the
    iterations end with rows that are off by a percent or more. Raises CaloforgeError where epsilon is not above 0 or a
    cost not finite.
    """
    if not epsilon > 0 or not math.isfinite(epsilon):
        raise CaloforgeError(f"The regularisation epsilon of Sinkhorn is {epsilon!r}; give a number above 0.")
    if not bool(cost.isfinite().all()):
        raise CaloforgeError(
            "The cost given to Sinkhorn is not finite everywhere; look for NaN in the data of the batch."
        )
    n, m = cost.shape[-2:]
    f, g = cost.new_zeros(*cost.shape[:-1], 1), cost.new_zeros(*cost.shape[:-2], 1, m)
    stages = _stages(cost, epsilon)
    left, off, before = iterations, math.inf, 1.0
    for stage in stages:
        last = stage == epsilon
        log_kernel, f, g = cost / -stage, f * (before / stage), g * (before / stage)
        for iteration in range(left if last else min(_CHECK_EVERY, left // 2)):
            rows = torch.logsumexp(log_kernel + g, -1, keepdim=True)
            if last and iteration % _CHECK_EVERY == 0 and iteration:
                off = _off(rows, f)
                if off < tolerance:
                    break
            f = -rows - math.log(n)
            g = -torch.logsumexp(log_kernel + f, -2, keepdim=True) - math.log(m)
            left -= 1
        before = stage
    if off >= tolerance:
        off = _off(torch.logsumexp(log_kernel + g, -1, keepdim=True), f)
    if off >= max(tolerance, _NOTICED):
        warnings.warn(
            f"{iterations} iterations of Sinkhorn leave the plan's rows off by {off:.2g} of their sum (epsilon ="
            f" {epsilon:.3g}); take a larger epsilon or more iterations.",
            stacklevel=2,
        )
    return (log_kernel + f + g).exp()


def _stages(cost: Tensor, epsilon: float) -> list[float]:
    """Regularisations from a hundredth of the costs' range down to epsilon, each half the one before: a small one alone
    would take iterations in inverse proportion."""
    span = float(cost.max() - cost.min()) if cost.numel() else 0.0
    number = max(0, math.ceil(math.log2(_COARSEST * span / epsilon))) if span > 0.0 else 0
    return [epsilon * 2.0**step for step in range(number, -1, -1)]


def _off(rows: Tensor, f: Tensor) -> float:
    """Mean of how far the sums of the plan's rows are from 1/N, in units of that, of the worst problem."""
    return float(((rows + f + math.log(rows.shape[-2])).exp() - 1.0).abs().mean(-2).max())


@dataclass(frozen=True)
class Sinkhorn(Coupling):
    """Minibatch transport with entropy: the noise of each data sample is drawn from its part of Sinkhorn's plan.

    epsilon     regularisation in units of the cost's spread (`transport_cost.spread`): near 0 the coupling is
                optimal transport, far above 1 independent
    iterations, tolerance  as in `sinkhorn_plan`

    Noise may be drawn twice or not at all: it is kept in the mean only, data are kept one and all. Like `ExactOT` it
    ignores the condition. Everything but one uniform number per sample is computed on the device of the data. Raises
    CaloforgeError for numbers that are not above 0.
    """

    epsilon: float = 0.1
    iterations: int = 2000
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        for name, low in (("epsilon", 0.0), ("iterations", 0), ("tolerance", 0.0)):
            value = getattr(self, name)
            if not low < value < math.inf:
                raise CaloforgeError(f"The coupling Sinkhorn has {name}={value!r}; give a finite number above 0.")

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
