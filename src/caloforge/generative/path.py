"""Paths from noise to data: x_t = a(t) data + s(t) noise, with t = 0 at the noise and t = 1 at the data."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from caloforge.errors import CaloforgeError


class Weights(NamedTuple):
    """What a path mixes at a time: the weights of data and noise, and their derivatives by t; all shaped like t."""

    data: Tensor
    noise: Tensor
    data_rate: Tensor
    noise_rate: Tensor


class Path(ABC):
    """How noise turns into data: a path is its `weights`, and the rest follows.

    A path of your own is one method, with data weight 0 at t = 0 and 1 at t = 1:

        @dataclass(frozen=True)
        class Quadratic(Path):
            def weights(self, t):
                return Weights(t**2, 1 - t**2, 2 * t, -2 * t)
    """

    @abstractmethod
    def weights(self, t: Tensor) -> Weights:
        """Weights of data and noise at times t in [0, 1], of any shape."""

    def at(self, noise: Tensor, data: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """x_t and its velocity dx_t/dt, both (N, ...), from noise and data (N, ...) and t (N,)."""
        weights = self.spread(t, data)
        x = weights.data * data + weights.noise * noise
        return x, weights.data_rate * data + weights.noise_rate * noise

    def spread(self, t: Tensor, like: Tensor) -> Weights:
        """The weights at times t (N,) in the shape (N, 1, ...), as they multiply a tensor like `like` (N, ...)."""
        shape = (-1, *(1 for _ in range(like.dim() - 1)))
        return Weights(*(part.to(like.dtype).reshape(shape) for part in self.weights(t)))


@dataclass(frozen=True)
class Linear(Path):
    """The straight line x_t = t data + (1 - t) noise: rectified flow (Liu et al., arXiv:2209.03003) and I-CFM
    without added noise (Tong et al., arXiv:2302.00482)."""

    def weights(self, t: Tensor) -> Weights:
        """t and 1 - t."""
        one = torch.ones_like(t)
        return Weights(t, 1 - t, one, -one)


@dataclass(frozen=True)
class LipmanGaussian(Path):
    """The straight line that ends in a Gaussian of width sigma_min around the data:
    x_t = t data + (1 - (1 - sigma_min) t) noise (Lipman et al., arXiv:2210.02747, equation 22)."""

    sigma_min: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_min < 1:
            raise CaloforgeError(f"The path has sigma_min={self.sigma_min}; give a number from 0 to below 1.")

    def weights(self, t: Tensor) -> Weights:
        """t and 1 - (1 - sigma_min) t."""
        one = torch.ones_like(t)
        return Weights(t, 1 - (1 - self.sigma_min) * t, one, -(1 - self.sigma_min) * one)


@dataclass(frozen=True)
class VariancePreserving(Path):
    """The quarter circle x_t = sin(pi t / 2) data + cos(pi t / 2) noise: standardised data keep their variance all
    along (Albergo and Vanden-Eijnden, arXiv:2209.15571; the cosine schedule of diffusion)."""

    def weights(self, t: Tensor) -> Weights:
        """Sine and cosine of the angle pi t / 2."""
        angle = 0.5 * math.pi * t
        sine, cosine = torch.sin(angle), torch.cos(angle)
        return Weights(sine, cosine, 0.5 * math.pi * cosine, -0.5 * math.pi * sine)
