"""A shower model: a product of conditional generative models over one detector's showers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from caloforge.detectors import Detector
from caloforge.factors import Factor, State
from caloforge.generative.contracts import Batch, Noise, draw_noise


class ShowerModel(nn.Module):
    """The product of factors, in order; generates deposits (N, V) in MeV from incident energies (N,) in MeV.

    It is a `Sampler`: its noise is the factors' noise, each name led by the factor's.
    """

    def __init__(self, detector: Detector, factors: Mapping[str, Factor]) -> None:
        super().__init__()
        self.detector = detector
        self.factors = nn.ModuleDict(dict(factors))

    def named_factors(self) -> Iterator[tuple[str, Factor]]:
        """Name and factor, in the order of the product."""
        for name, factor in self.factors.items():
            yield name, cast(Factor, factor)

    def fit(self, incident_energy_mev: Tensor, deposits_mev: Tensor) -> None:
        """Fit every factor's means and scales to training showers (N,), (N, V) in MeV."""
        for _, factor in self.named_factors():
            factor.fit(incident_energy_mev, deposits_mev)

    def noise(self, condition: Batch | None = None, settings: Any = None) -> dict[str, Noise]:
        """Name, shape and law of every draw of one shower."""
        return {
            f"{name}.{draw}": noise for name, factor in self.named_factors() for draw, noise in factor.noise().items()
        }

    def decode(self, noise: Batch, condition: Batch, settings: Any = None) -> Tensor:
        """Deposits (N, V) in MeV from noise and {"incident_energy_mev": (N,)}; no randomness inside."""
        return self.decode_state(noise, condition, settings)["deposits_mev"]

    def decode_state(self, noise: Batch, condition: Batch, settings: Any = None) -> State:
        """The same with all that the factors know of each shower, such as its layer energies."""
        state = dict(condition)
        for name, factor in self.named_factors():
            own = {key.removeprefix(f"{name}."): draw for key, draw in noise.items() if key.startswith(f"{name}.")}
            state = factor.decode(own, state, settings)
        return state

    def sample(self, incident_energy_mev: Tensor, generator: torch.Generator, settings: Any = None) -> Tensor:
        """Showers (N, V) in MeV, one for each incident energy (N,) in MeV; the generator alone decides the outcome.

        settings: how factors that can be sampled in several ways are, e.g. `OdeSettings`; their own where not given.
        """
        return self.sample_state(incident_energy_mev, generator, settings)["deposits_mev"]

    @torch.no_grad()
    def sample_state(self, incident_energy_mev: Tensor, generator: torch.Generator, settings: Any = None) -> State:
        """The same with all that the factors know of each shower."""
        noise = draw_noise(self.noise(), len(incident_energy_mev), generator)
        return self.decode_state(noise, {"incident_energy_mev": incident_energy_mev}, settings)
