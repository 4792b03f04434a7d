"""Exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """Average of the trained parameters: average <- d average + (1 - d) weights after every update.

    In the first updates d is (1 + n) / (10 + n) where that is smaller, so that the start is soon forgotten.
    Frozen parameters and buffers are not averaged.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self.average = {name: value.detach().clone() for name, value in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after one update."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, average in self.average.items():
            average.lerp_(self._parameters[name].detach().to(average.dtype), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model holds the average inside the block and its own weights, to the bit, afterwards."""
        kept = {name: value.detach().clone() for name, value in self._parameters.items()}
        self._copy(self.average)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            self._parameters[name].copy_(value)

    @torch.no_grad()
    def load(self, average: dict[str, Tensor], updates: int) -> None:
        """Take over a kept average."""
        for name, value in average.items():
            self.average[name].copy_(value)
        self.updates = updates
