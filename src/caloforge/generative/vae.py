"""Variational autoencoder: a decoder of a latent normal draw, and the objective that trains it by a lower bound of the
likelihood (Kingma and Welling, arXiv:1312.6114)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Batch, Noise, Objective
from caloforge.generative.observation import Observation
from caloforge.nn.mlp import MLP

SPREAD_RANGE = (-7.0, 3.0)
"""Range of the log of the posterior's spread; far wider than a posterior that training leads to."""


@dataclass(frozen=True)
class Posterior:
    """q(z | x, context): independent normal laws of the latent, means and logs of the spreads (N, latent)."""

    mean: Tensor
    log_spread: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """z (..., N, latent) from standard normal noise of the same shape."""
        return self.mean + torch.exp(self.log_spread) * noise

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z) in nats (..., N) of z (..., N, latent)."""
        return standard_normal((z - self.mean) * torch.exp(-self.log_spread)) - self.log_spread.sum(-1)

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence to the standard normal prior, in nats, of each latent number (N, latent)."""
        return 0.5 * (self.mean.square() + torch.exp(2 * self.log_spread) - 1) - self.log_spread


def standard_normal(z: Tensor) -> Tensor:
    """Log density (...,) of z (..., D) under the standard normal law."""
    return -0.5 * z.square().sum(-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)


class VAE(nn.Module):
    """p(x | context) of x (N, features): a standard normal latent z, what a decoder makes of it and of the context, and
    an observation, which says how x scatters about that.

    latent: size of z. context_features: columns of the context (0: unconditional). encoder, decoder: hidden widths of
    the two MLPs. dropout: in both.

        model = VAE(Hits(504), 1, latent=10, encoder=(256, 128), decoder=(128, 256))
        model.decoder                # MLP: (z, context) -> the numbers of the observation

    It is a `Sampler`: its noise is `z` and what the observation declares. Its likelihood is not known; `bound` is what
    is known of it.
    """

    def __init__(
        self,
        observation: Observation,
        context_features: int,
        latent: int,
        encoder: Sequence[int],
        decoder: Sequence[int],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if latent < 1:
            raise CaloforgeError(f"The autoencoder has latent={latent}; give at least 1.")
        self.features, self.context_features, self.latent = observation.features, context_features, latent
        self.encoder = MLP(observation.features + context_features, encoder, 2 * latent, dropout)
        self.decoder = MLP(latent + context_features, decoder, observation.outputs, dropout)
        self.observation = observation

    def noise(self, condition: Batch, settings: object = None) -> Mapping[str, Noise]:
        """The latent "z", then the draws of the observation."""
        return {"z": Noise((self.latent,)), **self.observation.noise()}

    def numbers(self, z: Tensor, condition: Batch) -> Tensor:
        """What the decoder says (N, outputs) of z (N, latent) and {"context": (N, C)}."""
        return cast(Tensor, self.decoder(self._with_context(z, condition))).to(z.dtype)

    def decode(self, noise: Batch, condition: Batch, settings: object = None) -> Tensor:
        """x (N, features) from the declared noise and {"context": (N, C)}."""
        return self.observation.draw(self.numbers(noise["z"], condition), noise)

    def posterior(self, x: Tensor, condition: Batch) -> Posterior:
        """q(z | x, context) of x (N, features)."""
        mean, log_spread = self.encoder(self._with_context(x, condition)).to(x.dtype).chunk(2, -1)
        return Posterior(mean, log_spread.clamp(*SPREAD_RANGE))

    def bound(self, x: Tensor, condition: Batch, draws: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """A lower bound of log p(x | context) in nats (N,), of x (N, features), by importance sampling from the
        posterior (Burda et al., arXiv:1509.00519).

        One draw gives the usual evidence lower bound (ELBO), many come closer to the likelihood; a bound on average
        over the generator, not for every draw. Raises CaloforgeError for less than one draw.
        """
        if draws < 1:
            raise CaloforgeError(f"The bound was asked with draws={draws}; give at least 1.")
        generator = generator if generator is not None else torch.Generator(x.device).manual_seed(0)
        posterior = self.posterior(x, condition)
        weights = []
        for _ in range(draws):
            z = posterior.draw(_normal_like(posterior.mean, generator))
            of_data = self.observation.log_prob(x, self.numbers(z, condition))
            weights.append(of_data + standard_normal(z) - posterior.log_prob(z))
        return torch.logsumexp(torch.stack(weights), 0) - math.log(draws)

    def _with_context(self, part: Tensor, condition: Batch) -> Tensor:
        if not self.context_features:
            return part
        context = condition.get("context")
        if context is None or context.shape[-1] != self.context_features:
            found = "none" if context is None else f"{context.shape[-1]}"
            raise CaloforgeError(
                f"The autoencoder expects a context of {self.context_features} columns, but found {found}; give the"
                " condition {'context': tensor}."
            )
        return torch.cat([part, context], -1)


class EvidenceBound(Objective):
    """Training of a VAE by its evidence lower bound: reconstruction and beta times the divergence of the posterior
    from the prior, which is taken in closed form. Batches are {"x": (N, D)} with every other entry a condition.

    beta: weight of the divergence (beta-VAE); with an observation that learns its spread 1 is what the likelihood asks
    for. warm_up: training steps in which the weight rises from 0 in a line, so that the latent is used before it
    costs (arXiv:1511.06349). free_nats: nats that each latent number may cost, on average over the batch, before it
    counts (arXiv:1606.04934). The two change what is descended; the loss that is told, and by which the best step is
    chosen, is always that of the full beta without free nats.
    """

    model: VAE
    steps: Tensor

    def __init__(self, model: nn.Module, beta: float = 1.0, warm_up: int = 0, free_nats: float = 0.0) -> None:
        super().__init__()
        if not isinstance(model, VAE):
            raise CaloforgeError(
                f"{type(model).__name__} is no VAE, which the evidence bound trains; choose another objective."
            )
        for name, value in (("beta", beta), ("warm_up", warm_up), ("free_nats", free_nats)):
            if value < 0:
                raise CaloforgeError(f"The evidence bound has {name}={value}; give 0 or more.")
        self.model, self.beta, self.warm_up, self.free_nats = model, beta, warm_up, free_nats
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def weight(self) -> float:
        """The weight of the divergence at the present step; the full one outside of training."""
        if not self.training or not self.warm_up:
            return self.beta
        return self.beta * min(1.0, int(self.steps) / self.warm_up)

    def forward(self, batch: Batch, turn: str, generator: torch.Generator) -> Mapping[str, Tensor]:
        """{"loss": mean over the batch, "reconstruction": mean of -log p(x | z), "divergence": nats}."""
        x, condition = batch["x"], {name: value for name, value in batch.items() if name != "x"}
        posterior = self.model.posterior(x, condition)
        z = posterior.draw(_normal_like(posterior.mean, generator))
        reconstruction = -self.model.observation.log_prob(x, self.model.numbers(z, condition)).mean()
        each = posterior.divergence().mean(0)
        loss = reconstruction + self.beta * each.sum()
        if self.training:
            charged = each.clamp_min(self.free_nats) if self.free_nats else each
            descended = reconstruction + self.weight() * charged.sum()
            loss = loss.detach() + (descended - descended.detach())
            self.steps += 1
        return {"loss": loss, "reconstruction": reconstruction.detach(), "divergence": each.sum().detach()}


def _normal_like(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)
