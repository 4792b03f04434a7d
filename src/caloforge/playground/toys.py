"""Toy data: laws in one or two dimensions that can be drawn without end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.generative import Batch
from caloforge.randomness import numpy_generator
from caloforge.registry import Registry

Points = NDArray[np.float64]


class Toy(ABC):
    """A law of points (N, features), of a size like that of a standard normal."""

    features: ClassVar[int] = 2

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> Points:
        """n points (n, features)."""


@dataclass(frozen=True)
class Moons(Toy):
    """Two interleaved half circles of radius `radius` (as in scikit-learn, centred), blurred by `width`."""

    radius: float = 1.4
    width: float = 0.1

    def draw(self, n: int, rng: np.random.Generator) -> Points:
        """n points (n, 2)."""
        angle, lower = np.pi * rng.random(n), rng.random(n) < 0.5
        x = np.where(lower, 0.5 - np.cos(angle), np.cos(angle) - 0.5)
        y = np.where(lower, 0.25 - np.sin(angle), np.sin(angle) - 0.25)
        return self.radius * np.stack([x, y], 1) + self.width * rng.normal(size=(n, 2))


@dataclass(frozen=True)
class Ring(Toy):
    """Equal Gaussians of width `width`, evenly on a circle of radius `radius`: eight of them by default."""

    modes: int = 8
    radius: float = 2.0
    width: float = 0.2

    def draw(self, n: int, rng: np.random.Generator) -> Points:
        """n points (n, 2)."""
        angle = 2 * np.pi * rng.integers(0, self.modes, n) / self.modes
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], 1) + self.width * rng.normal(size=(n, 2))


@dataclass(frozen=True)
class Checkerboard(Toy):
    """The dark fields of a board of `fields` by `fields` over the square of half side `half`, uniformly filled."""

    fields: int = 4
    half: float = 2.0

    def draw(self, n: int, rng: np.random.Generator) -> Points:
        """n points (n, 2)."""
        dark = np.argwhere(np.add.outer(np.arange(self.fields), np.arange(self.fields)) % 2 == 0)
        field = dark[rng.integers(0, len(dark), n)]
        return self.half * (2 * (field + rng.random((n, 2))) / self.fields - 1)


@dataclass(frozen=True)
class Mixture(Toy):
    """Gaussians on the line: at `means`, as wide as `widths`, with probabilities `shares`."""

    means: tuple[float, ...] = (-1.8, -0.2, 1.6)
    widths: tuple[float, ...] = (0.15, 0.35, 0.2)
    shares: tuple[float, ...] = (0.25, 0.45, 0.3)
    features: ClassVar[int] = 1

    def __post_init__(self) -> None:
        equal = len(self.means) == len(self.widths) == len(self.shares) > 0
        if not equal or min(self.widths) <= 0 or min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise CaloforgeError(
                f"The mixture has means={self.means}, widths={self.widths}, shares={self.shares}; give as many of each,"
                " positive widths, and shares that sum to 1."
            )

    def draw(self, n: int, rng: np.random.Generator) -> Points:
        """n points (n, 1)."""
        part = rng.choice(len(self.means), n, p=self.shares)
        return (np.array(self.means)[part] + np.array(self.widths)[part] * rng.normal(size=n))[:, None]


TOYS: Registry[Toy] = Registry("toy", "caloforge.toys")
TOYS.add("moons", Moons())
TOYS.add("8gaussians", Ring())
TOYS.add("checkerboard", Checkerboard())
TOYS.add("mixture", Mixture())
TOYS.add("two-peaks", Mixture((-1.5, 1.5), (0.2, 0.2), (0.35, 0.65)))


class ToyBatches:
    """Batches {"x": (batch_size, features)} of fresh points: each a function of (seed, epoch, batch)."""

    def __init__(self, toy: Toy, batch_size: int, batches: int, seed: int) -> None:
        self.toy, self.batch_size, self.batches, self.seed = toy, batch_size, batches, seed

    def __len__(self) -> int:
        return self.batches

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on."""
        for index in range(start, self.batches):
            points = self.toy.draw(self.batch_size, numpy_generator(self.seed, "toy batch", epoch, index))
            yield {"x": torch.from_numpy(points.astype(np.float32))}
