"""What computes the showers of a generation: PyTorch, or an engine from a floor above that fits the same protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from caloforge.factors import State
from caloforge.generative.flow_matching import OdeSettings
from caloforge.models.shower_model import ShowerModel

Draw = Callable[[Tensor, torch.Generator], State]
"""Incident energies (N,) in MeV and a generator, which alone decides the outcome, to `deposits_mev` (N, V) in MeV and,
where the model can contradict itself, `mismatch` (N,)."""


class Engine(Protocol):
    """A way to compute a shower model's showers. Equal seed, batch and threads must give it equal bytes."""

    @property
    def name(self) -> str:
        """How the file of showers tells which engine made it."""
        ...

    def draw(self, model: ShowerModel, sampler: OdeSettings | None, threads: int) -> Draw:
        """What draws showers of this model; sampler: of models that are integrated, instead of the recipe's.

        Raises CaloforgeError where the engine does not know the model.
        """
        ...


class TorchEngine:
    """PyTorch, which runs every model."""

    name = "torch"

    def draw(self, model: ShowerModel, sampler: OdeSettings | None, threads: int) -> Draw:
        """`ShowerModel.sample_state`; the threads are those of PyTorch."""
        return lambda energy_mev, generator: model.sample_state(energy_mev, generator, sampler)
