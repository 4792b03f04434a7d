"""One factor p(x_k | x_<k, condition) of a shower model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from caloforge.generative.contracts import Batch, Noise

State = dict[str, Tensor]
"""What is known of the showers so far: `incident_energy_mev` (N,), then what each factor adds, e.g.
`layer_energy_mev` (N, L) and `deposits_mev` (N, V). A factor that can contradict an earlier one adds `mismatch` (N,):
the energy by which it does, over the shower's energy; generation draws such showers again."""


class Factor(nn.Module):
    """One factor of the product: how its part and its condition go to network space and back, and the model of it.

    `model` is a generative model over x (N, D) given {"context": (N, C)}. What `fit` finds is kept in buffers and
    travels with the weights.
    """

    model: nn.Module

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        """Set means and scales from training showers: incident energies (N,) and deposits (N, V) in MeV."""
        raise NotImplementedError

    def encode(
        self, incident_energy_mev: Tensor, deposits_mev: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Network-space batch {"x": (N, D), "context": (N, C)} of showers; noise comes from the generator."""
        raise NotImplementedError

    def context(self, state: State) -> Tensor:
        """The condition (N, C) in network space from what is known so far."""
        raise NotImplementedError

    def write(self, x: Tensor, state: State) -> State:
        """What this factor adds to the state from x (N, D) in network space."""
        raise NotImplementedError

    def noise(self) -> Mapping[str, Noise]:
        """The draws that the factor's model needs."""
        return dict(self.model.noise({}))  # type: ignore[operator]

    def decode(self, noise: Batch, state: State, settings: Any = None) -> State:
        """Generate this factor's part and add it to the state; `settings` are those of the model's sampling."""
        x = self.model.decode(noise, {"context": self.context(state)}, settings)  # type: ignore[operator]
        return {**state, **self.write(x, state)}
