"""The contract of every generative model p(x | c) and of the objective that trains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError

Batch = Mapping[str, Tensor]
"""Named tensors, batch first; a set carries its mask, an image condition its image."""


@dataclass(frozen=True)
class Noise:
    """One draw that a sampler needs: shape of one sample's noise (without the batch) and its law."""

    shape: tuple[int, ...]
    law: Literal["normal", "uniform"] = "normal"


@runtime_checkable
class Sampler(Protocol):
    """A model that can generate: declares its noise and decodes it without further randomness."""

    def noise(self, condition: Batch, settings: Any = None) -> Mapping[str, Noise]:
        """Name, shape and law of every draw."""
        ...

    def decode(self, noise: Batch, condition: Batch, settings: Any = None) -> Tensor:
        """Samples (N, ...) from noise of the declared shapes; no randomness inside: this is what is exported."""
        ...


@runtime_checkable
class Density(Protocol):
    """A model that knows its likelihood."""

    def log_prob(
        self, x: Tensor, condition: Batch, settings: Any = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """log p(x | condition) in nats, shape (N,), for x of shape (N, ...)."""
        ...


@dataclass(frozen=True)
class Turn:
    """One player's turn in a training step: which parameters it moves and how many updates it has in a row."""

    name: str
    parameters: str = ""
    updates: int = 1


class Objective(nn.Module):
    """What trains a model; owns what only training needs (teacher, critic). Only `model` enters a checkpoint.

    `turns` is one for most; `Turn.parameters` is the prefix of the objective's parameters that the turn moves
    ("" = all that require gradients). `pool` is how many consecutive batches `prepare` gets joined into one; what it
    returns is split again, row by row, into batches of the old sizes.
    """

    model: nn.Module
    turns: ClassVar[tuple[Turn, ...]] = (Turn("model"),)
    pool: int = 1

    def prepare(self, batch: Batch, rng: Any) -> Batch:
        """A batch made ready (pairings, for example), by default as it is.

        Threads call it ahead of the steps: it draws from `rng` alone and reads nothing that training changes.
        """
        return batch

    def forward(self, batch: Batch, turn: str, generator: torch.Generator) -> Mapping[str, Tensor]:
        """The loss of one turn under "loss", and what else is to be logged."""
        raise NotImplementedError


class BatchSource(Protocol):
    """Batches of one epoch, a function of (seed, epoch) alone, so that any batch can be reached again."""

    def __len__(self) -> int:
        """Batches in one epoch."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on."""
        ...


def draw_noise(
    declared: Mapping[str, Noise], n: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Draw every declared noise for n samples, in the order of declaration, from one generator."""
    drawn = {}
    for name, noise in declared.items():
        law = torch.randn if noise.law == "normal" else torch.rand
        drawn[name] = law(n, *noise.shape, generator=generator, dtype=dtype, device=generator.device)
    return drawn


def sample(
    model: Sampler,
    n: int,
    condition: Batch | None = None,
    generator: torch.Generator | None = None,
    settings: Any = None,
) -> Tensor:
    """Draw n samples: one row of every condition tensor each; the generator alone decides the outcome.

    Raises CaloforgeError where a condition has another number of rows.
    """
    condition = condition if condition is not None else {}
    _require_rows(condition, n)
    generator = generator if generator is not None else torch.Generator().manual_seed(0)
    return model.decode(draw_noise(model.noise(condition, settings), n, generator), condition, settings)


def log_prob(
    model: object,
    x: Tensor,
    condition: Batch | None = None,
    settings: Any = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """log p(x | condition) in nats (N,) of any model; raises CaloforgeError where the model has no likelihood, and
    where a condition has not one row for each of x."""
    if not isinstance(model, Density):
        raise CaloforgeError(
            f"{type(model).__name__} has no log-likelihood: it generates, but cannot say how likely a given x is; ask a"
            " flow or a velocity field."
        )
    condition = condition if condition is not None else {}
    _require_rows(condition, len(x))
    return model.log_prob(x, condition, settings, generator)


def _require_rows(condition: Batch, n: int) -> None:
    for name, value in condition.items():
        if len(value) != n:
            raise CaloforgeError(f"The condition '{name}' has {len(value)} rows for {n} samples; give one each.")
