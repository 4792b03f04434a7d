"""Likelihood of a flow along an ODE by the instantaneous change of variables: d log p(x_t) / dt = -div v(t, x_t)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from caloforge.errors import CaloforgeError
from caloforge.generative.solver import Field, Solver, TimeGrid

Products = Callable[[Tensor], Tensor]
"""The product e^T J (N, D) of a vector e (N, D) with the Jacobian of the velocity."""


class JacobianTrace(ABC):
    """A way to take the trace of the Jacobian of a velocity, from products with it."""

    @abstractmethod
    def directions(self, x: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """Random directions (K, N, D) kept over the whole way, or None."""

    @abstractmethod
    def __call__(self, products: Products, like: Tensor, directions: Tensor | None) -> Tensor:
        """The trace (N,) of the Jacobian at points `like` (N, D)."""


@dataclass(frozen=True)
class ExactTrace(JacobianTrace):
    """Every diagonal element: D products for D features, in each evaluation."""

    def directions(self, x: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """None are needed."""
        return None

    def __call__(self, products: Products, like: Tensor, directions: Tensor | None) -> Tensor:
        """The sum over the unit vectors."""
        total = like.new_zeros(len(like))
        for index in range(like.shape[1]):
            unit = torch.zeros_like(like)
            unit[:, index] = 1
            total = total + products(unit)[:, index]
        return total


@dataclass(frozen=True)
class Hutchinson(JacobianTrace):
    """The mean of e^T J e over `probes` random sign vectors e, drawn once for the whole way (Hutchinson 1990; FFJORD,
    Grathwohl et al., arXiv:1810.01367): unbiased for the log-likelihood, its spread falls with the root of `probes`."""

    probes: int = 1

    def __post_init__(self) -> None:
        if self.probes < 1:
            raise CaloforgeError(f"Hutchinson's trace has probes={self.probes}; give at least 1.")

    def directions(self, x: Tensor, generator: torch.Generator | None) -> Tensor | None:
        """Signs (probes, N, D)."""
        if generator is None:
            generator = torch.Generator(x.device).manual_seed(0)
        shape = (self.probes, *x.shape)
        signs = torch.randint(0, 2, shape, generator=generator, device=generator.device)
        return (2 * signs - 1).to(x)

    def __call__(self, products: Products, like: Tensor, directions: Tensor | None) -> Tensor:
        """The mean over the directions."""
        assert directions is not None
        return torch.stack([(products(signs) * signs).sum(-1) for signs in directions]).mean(0)


def to_noise(
    field: Field,
    x: Tensor,
    solver: Solver,
    grid: TimeGrid,
    trace: JacobianTrace,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """The noise (N, D) that flows into x (N, D), and log |d noise / dx| (N,): both integrated from t = 1 back to 0.

    field: the velocity. generator: of the trace's random directions; a fixed seed where None is given. Gradients flow
    through the solver's steps where they are enabled; attention then runs written out, since its fused form has no
    second derivative. Raises CaloforgeError inside `torch.inference_mode`, where there are no derivatives at all.
    """
    if torch.is_inference_mode_enabled():
        raise CaloforgeError(
            "The likelihood of a velocity field takes derivatives, which torch.inference_mode() forbids; use"
            " torch.no_grad() instead."
        )
    features = x.shape[1]
    directions = trace.directions(x, generator)
    tracked = torch.is_grad_enabled()

    def augmented(time: Tensor, state: Tensor) -> Tensor:
        with torch.enable_grad():
            point = state[:, :features]
            if not (tracked and point.requires_grad):
                point = point.detach().requires_grad_(True)
            with sdpa_kernel(SDPBackend.MATH) if tracked else nullcontext():
                velocity = field(time, point)

            def products(vector: Tensor) -> Tensor:
                found = torch.autograd.grad(
                    velocity, point, vector, create_graph=tracked, retain_graph=True, materialize_grads=True
                )
                return found[0]

            if not velocity.requires_grad:
                divergence = velocity.new_zeros(len(velocity))
            else:
                divergence = trace(products, point, directions)
            slope = torch.cat([velocity, divergence[:, None]], 1)
        return slope if tracked else slope.detach()

    start = torch.cat([x, x.new_zeros(len(x), 1)], 1)
    end = solver.solve(augmented, start, grid, backward=True).end
    return end[:, :features], end[:, features]
