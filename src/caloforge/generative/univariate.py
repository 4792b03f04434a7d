"""Maps of one number that an autoregressive block applies to each feature, given raw parameters of the feature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative.fused_spline import fused_spline


class Univariate(Protocol):
    """An increasing map y = S(x; raw) of single numbers, with `parameters` raw numbers each."""

    @property
    def parameters(self) -> int:
        """Raw parameters of one feature."""
        ...

    def __call__(
        self, x: Tensor, raw: Tensor, inverse: bool = False, need_logabsdet: bool = True
    ) -> tuple[Tensor, Tensor]:
        """y and log |dy/dx|, both of the shape of x (...), from raw (..., parameters); `inverse`: of the inverse map.

        The second may be anything where `need_logabsdet` is false.
        """
        ...

    def identity(self) -> Tensor:
        """Raw parameters (parameters,) near which the map is the identity."""
        ...


@dataclass(frozen=True)
class Spline:
    """Monotone rational-quadratic spline of `bins` bins on [-tail_bound, tail_bound] (Durkan et al., arXiv:1906.04032).

    min_bin: floor of a bin, as a fraction of the interval; min_derivative: floor of the slopes at inner knots.
    """

    bins: int = 8
    tail_bound: float = 14.0
    min_bin: float = 1e-6
    min_derivative: float = 1e-6

    def __post_init__(self) -> None:
        if self.bins < 1 or not 0 < self.tail_bound < math.inf:
            raise CaloforgeError(
                f"The spline has bins={self.bins}, tail_bound={self.tail_bound}, but both must be positive and finite;"
                " correct the recipe."
            )

    @property
    def parameters(self) -> int:
        """3K - 1: widths, heights, and slopes at inner knots."""
        return 3 * self.bins - 1

    def __call__(
        self, x: Tensor, raw: Tensor, inverse: bool = False, need_logabsdet: bool = True
    ) -> tuple[Tensor, Tensor]:
        """y and log |dy/dx| (...) of x (...) and raw (..., 3K-1)."""
        return fused_spline(x, raw, inverse, self.tail_bound, self.min_bin, self.min_derivative, need_logabsdet)

    def identity(self) -> Tensor:
        """Equal bins and slopes of one."""
        slope = math.log(math.expm1(1 - self.min_derivative))
        return torch.cat([torch.zeros(2 * self.bins), torch.full((self.bins - 1,), slope)])


@dataclass(frozen=True)
class Affine:
    """y = exp(s) x + t with s = bound tanh(raw_0 / bound), t = raw_1 (Papamakarios et al., arXiv:1705.07057)."""

    bound: float = 5.0

    @property
    def parameters(self) -> int:
        """Log-scale and shift."""
        return 2

    def __call__(
        self, x: Tensor, raw: Tensor, inverse: bool = False, need_logabsdet: bool = True
    ) -> tuple[Tensor, Tensor]:
        """y and log |dy/dx| (...) of x (...) and raw (..., 2)."""
        log_scale = self.bound * torch.tanh(raw[..., 0] / self.bound)
        if inverse:
            return (x - raw[..., 1]) * torch.exp(-log_scale), -log_scale
        return x * torch.exp(log_scale) + raw[..., 1], log_scale

    def identity(self) -> Tensor:
        """No scaling and no shift."""
        return torch.zeros(2)
