"""Laws of the times at which training looks at the path."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from caloforge.errors import CaloforgeError


class TimeLaw(ABC):
    """A law on [0, 1], given by its quantile function."""

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """The times below which the shares u in [0, 1] of the law lie; shaped like u."""

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """n independent times (n,) in [0, 1], on the generator's device."""
        return self.quantile(torch.rand(n, generator=generator, device=generator.device))


@dataclass(frozen=True)
class UniformTime(TimeLaw):
    """All times alike."""

    def quantile(self, u: Tensor) -> Tensor:
        """u itself."""
        return u


@dataclass(frozen=True)
class LogitNormalTime(TimeLaw):
    """logit(t) is normal with this mean and spread: more looks at the middle of the path, where the task is hardest
    (Esser et al., arXiv:2403.03206); a positive mean shifts them towards the data."""

    mean: float = 0.0
    spread: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.spread < float("inf") or not abs(self.mean) < float("inf"):
            raise CaloforgeError(
                f"The logit-normal law of times has mean={self.mean}, spread={self.spread}; give a finite mean and a"
                " positive spread."
            )

    def quantile(self, u: Tensor) -> Tensor:
        """sigmoid(mean + spread z), z the normal quantile of u."""
        return torch.sigmoid(self.mean + self.spread * torch.special.ndtri(u))


@dataclass(frozen=True)
class Stratified(TimeLaw):
    """Another law, drawn so that a batch of n times has one in each of n slices of equal probability: the batch covers
    the path evenly and the loss fluctuates less (Kingma et al., arXiv:2107.00630). Each time alone keeps its law."""

    law: TimeLaw = UniformTime()

    def quantile(self, u: Tensor) -> Tensor:
        """That of the law."""
        return self.law.quantile(u)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """n times (n,), one in each slice, in random order."""
        u = torch.rand(n, generator=generator, device=generator.device)
        order = torch.randperm(n, generator=generator, device=generator.device)
        return self.quantile((order + u) / n)
