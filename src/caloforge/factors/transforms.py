"""Bijections between MeV and network space: each gives its log-determinant, and one property test holds them all."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

TINY = 1e-30
COLUMNS = 4096
"""Columns fitted at a time, which bounds the memory of a fit."""


class Bijection(nn.Module):
    """An invertible map of (N, D) tensors; `condition` (N, C) is what the map itself may depend on.

    `forward` gives the image and log |det d image / d x| of shape (N,); `inverse` gives x back.
    """

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        """x from its image y."""
        raise NotImplementedError

    def _given(self, condition: Tensor | None) -> Tensor:
        if condition is None:
            raise ValueError(f"{type(self).__name__} depends on a condition of shape (N, C): pass condition=")
        return condition


class Logit(Bijection):
    """y = logit(alpha + (1 - 2 alpha) x) for x in [0, 1]; alpha keeps both ends finite (CaloFlow: 1e-6)."""

    def __init__(self, alpha: float = 1e-6) -> None:
        super().__init__()
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha is {alpha}; it must lie between 0 and 0.5")
        self.alpha = alpha

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        span = 1 - 2 * self.alpha
        above = torch.log(self.alpha + span * x.clamp(0, 1))
        below = torch.log(self.alpha + span * (1 - x).clamp(0, 1))
        return above - below, (math.log(span) - above - below).sum(-1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        return ((torch.sigmoid(y) - self.alpha) / (1 - 2 * self.alpha)).clamp(0, 1)

    def complement(self, y: Tensor) -> Tensor:
        """1 - inverse(y), without the cancellation where x is close to one."""
        return self.inverse(-y)


class Log(Bijection):
    """y = log(x + offset) for x >= 0; the offset, in the unit of x, keeps empty voxels finite."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        if offset <= 0:
            raise ValueError(f"offset is {offset}; it must be positive")
        self.offset = offset

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = torch.log(x + self.offset)
        return y, -y.sum(-1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.exp(y) - self.offset


class ThresholdLog(Bijection):
    """y = log(x + offset) from the threshold on, log(threshold + offset) + log(x / threshold) below, for x > 0.

    Both in the unit of x. Deposits just above a threshold are rare; the offset draws the gap together that they leave
    between empty voxels, which are noise below the threshold, and the others. Without one this is the logarithm.
    """

    def __init__(self, threshold: float, offset: float) -> None:
        super().__init__()
        if threshold <= 0 or offset < 0:
            raise ValueError(f"threshold is {threshold}, offset {offset}; one must be positive, one not negative")
        self.threshold, self.offset = threshold, offset
        self.edge = math.log(threshold + offset)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        above = torch.log(x + self.offset)
        below = torch.log(x.clamp_min(TINY))
        y = torch.where(x >= self.threshold, above, below + (self.edge - math.log(self.threshold)))
        return y, -torch.where(x >= self.threshold, above, below).sum(-1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        below = self.threshold * torch.exp((y - self.edge).clamp_max(0))
        return torch.where(y >= self.edge, torch.exp(y) - self.offset, below)


class LayerFractions(Bijection):
    """Layer energies (N, L) in MeV to u-space, given the incident energy (N, 1) in MeV.

    u_0 = sum E / (beta E_inc), u_{i+1} = E_i / sum_{j>=i} E_j for i = 0..L-2 (CaloFlow, arXiv:2210.14245);
    u lies in [0, 1] while the visible energy stays below beta E_inc. Empty remainders give u = 0.
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        if beta <= 0:
            raise ValueError(f"beta is {beta}; it must be positive")
        self.beta = beta

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        energy = self._given(condition) * self.beta
        remaining = x.flip(-1).cumsum(-1).flip(-1)
        rest = remaining[:, :-1].clamp_min(TINY)
        u = torch.cat([remaining[:, :1] / energy, x[:, :-1] / rest], dim=-1)
        return u, -torch.log(energy[:, 0]) - torch.log(rest).sum(-1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.from_parts(y, 1 - y, condition)

    def from_parts(self, u: Tensor, complement: Tensor, condition: Tensor | None = None) -> Tensor:
        """Layer energies from u and 1 - u, given apart so that thin layers keep their precision."""
        remaining = u[:, :1] * self._given(condition) * self.beta
        layers = []
        for i in range(1, u.shape[1]):
            layers.append(u[:, i : i + 1] * remaining)
            remaining = complement[:, i : i + 1] * remaining
        return torch.cat([*layers, remaining], dim=-1)


class SmoothStandardise(Bijection):
    """y = (x - mean(log E)) / spread(log E), per column, both polynomials of the log of the incident energy.

    The condition is the incident energy (N, 1) in MeV. `fit` sets the coefficients by least squares (mean) and by a
    fit of the log of the squared residuals (spread); outside the energies of the fit the polynomial stays at its end.
    Degree 0 is a plain standardisation.
    """

    mean_coefficients: Tensor
    spread_coefficients: Tensor
    log_energy_range: Tensor

    def __init__(self, features: int, degree: int = 3, floor: float = 1e-3) -> None:
        super().__init__()
        self.degree, self.floor = degree, floor
        self.register_buffer("mean_coefficients", torch.zeros(degree + 1, features))
        self.register_buffer("spread_coefficients", torch.zeros(degree + 1, features))
        self.register_buffer("log_energy_range", torch.tensor([0.0, 1.0]))

    def _basis(self, energy_mev: Tensor) -> Tensor:
        low, high = self.log_energy_range.to(energy_mev.dtype)
        t = ((2 * torch.log(energy_mev[:, :1]) - low - high) / (high - low).clamp_min(1e-6)).clamp(-1, 1)
        return torch.cat([t**k for k in range(self.degree + 1)], dim=-1)

    @torch.no_grad()
    def fit(self, x: Tensor, energy_mev: Tensor) -> None:
        """Fit mean and spread to x (N, D) at incident energies (N, 1) in MeV, in float64."""
        energy = energy_mev.double()
        log_energy = torch.log(energy)
        self.log_energy_range.copy_(torch.stack([log_energy.min(), log_energy.max()]))
        basis = self._basis(energy)
        for first in range(0, x.shape[1], COLUMNS):
            columns = slice(first, first + COLUMNS)
            mean, shape = self._fit_columns(basis, x[:, columns].double())
            self.mean_coefficients[:, columns] = mean
            self.spread_coefficients[:, columns] = shape / 2

    def _fit_columns(self, basis: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Coefficients of the mean and of the log of the variance of columns x (N, D)."""
        mean = torch.linalg.lstsq(basis, x, driver="gelsd").solution
        residual = x - basis @ mean
        overall = residual.square().mean(0).clamp_min(self.floor**2)
        relative = torch.log(residual.square() / overall + 1e-2)
        shape = torch.linalg.lstsq(basis, relative, driver="gelsd").solution
        scale = (residual.square() / torch.exp(basis @ shape)).mean(0).clamp_min(self.floor**2)
        shape[0] += torch.log(scale)
        return mean, shape

    def _moments(self, condition: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        basis = self._basis(self._given(condition).to(dtype))
        log_spread = (basis @ self.spread_coefficients.to(dtype)).clamp_min(math.log(self.floor))
        return basis @ self.mean_coefficients.to(dtype), log_spread

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mean, log_spread = self._moments(condition, x.dtype)
        return (x - mean) * torch.exp(-log_spread), -log_spread.sum(-1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        mean, log_spread = self._moments(condition, y.dtype)
        return y * torch.exp(log_spread) + mean


class Standardise(SmoothStandardise):
    """y = (x - mean) / spread per column, the same at every incident energy."""

    def __init__(self, features: int, floor: float = 1e-3) -> None:
        super().__init__(features, degree=0, floor=floor)


class HitStandardise(SmoothStandardise):
    """y = (x - mean(log E)) / spread, per column, fitted to hits alone; the spread is the same at every energy.

    Columns with few hits are drawn towards the mean and spread of all: `prior_hits` says with the weight of how many.
    """

    def __init__(self, features: int, degree: int = 3, floor: float = 1e-3, prior_hits: float = 10.0) -> None:
        super().__init__(features, degree, floor)
        self.prior_hits = prior_hits

    @torch.no_grad()
    def fit_hits(self, x: Tensor, hit: Tensor, energy_mev: Tensor) -> None:
        """Fit to the entries of x (N, D) where hit (N, D) is one, at incident energies (N, 1) in MeV, in float64."""
        energy = energy_mev.double()
        log_energy = torch.log(energy)
        self.log_energy_range.copy_(torch.stack([log_energy.min(), log_energy.max()]))
        basis = self._basis(energy)
        total = hit.sum(dtype=torch.float64).clamp_min(1)
        centre = (x * hit).sum(dtype=torch.float64) / total
        overall = (((x - centre) * hit).square().sum(dtype=torch.float64) / total).clamp_min(self.floor**2)
        products = (basis[:, :, None] * basis[:, None, :]).flatten(1)
        prior = self.prior_hits * torch.eye(basis.shape[1], dtype=torch.float64)
        for first in range(0, x.shape[1], COLUMNS):
            columns = slice(first, first + COLUMNS)
            weight = hit[:, columns].double()
            offset = (x[:, columns].double() - centre) * weight
            normal = (weight.T @ products).reshape(-1, *prior.shape) + prior
            mean = torch.linalg.solve(normal, offset.T @ basis).T
            residual = offset - (basis @ mean) * weight
            count = weight.sum(0) + self.prior_hits
            variance = (residual.square().sum(0) + self.prior_hits * overall) / count
            mean[0] += centre
            self.mean_coefficients[:, columns] = mean
            self.spread_coefficients[0, columns] = 0.5 * torch.log(variance.clamp_min(self.floor**2))


class Softplus(Bijection):
    """y = log(exp(x) - 1) for x > 0: linear for large x, a logarithm for small; the way back is always positive."""

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = x.clamp_min(TINY)
        below = torch.log(-torch.expm1(-x))
        return x + below, -below.sum(-1)

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        return softplus(y)


class Chain(Bijection):
    """Several bijections one after the other, all given the same condition."""

    def __init__(self, *steps: Bijection) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(x.shape[0])
        for step in self.steps:
            x, log_determinant = step(x, condition)
            total = total + log_determinant
        return x, total

    def inverse(self, y: Tensor, condition: Tensor | None = None) -> Tensor:
        for step in reversed(list(self.steps)):
            y = cast(Bijection, step).inverse(y, condition)
        return y
