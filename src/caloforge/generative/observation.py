"""How data scatter about what a decoder says: p(x | numbers of the decoder), the last part of an autoencoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Batch, Noise

SMALLEST_SPREAD = 1e-2
"""Spreads stay above this (data are standardised), so that no datum can be learned by heart with infinite density."""


class Observation(nn.Module):
    """A law p(x | numbers) of x (N, features), given the numbers (N, outputs) of a decoder.

    It declares the noise that a draw needs; `draw` has no randomness of its own.
    """

    features: int
    outputs: int

    def noise(self) -> Mapping[str, Noise]:
        """Name, shape and law of every draw; none where x is decided by the numbers."""
        return {}

    def log_prob(self, x: Tensor, numbers: Tensor) -> Tensor:
        """log p(x | numbers) in nats (N,)."""
        raise NotImplementedError

    def draw(self, numbers: Tensor, noise: Batch) -> Tensor:
        """x (N, features) from the numbers (N, outputs) and noise of the declared shapes."""
        raise NotImplementedError


class CrossEntropy(Observation):
    """x in [0, 1] is the sigmoid of the numbers, and nothing scatters; learned by the cross-entropy, as in the VAE of
    Geant4's example Par04.

    Its `log_prob`, sum of x log p + (1 - x) log(1 - p), is the mean log-probability of binary images whose voxels are
    on with probability x: no density of x itself.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = self.outputs = features

    def log_prob(self, x: Tensor, numbers: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(numbers, x, reduction="none").sum(-1)

    def draw(self, numbers: Tensor, noise: Batch) -> Tensor:
        return torch.sigmoid(numbers)


class GaussianMixture(Observation):
    """Each column of x is drawn from a mixture of normal laws of its own.

    components: normal laws of one column; with one it is a Gaussian of learned mean and spread, which takes the place
    of a tuned weight of the reconstruction (sigma-VAE, arXiv:2006.13202). Noise: `value` (features,) normal, and
    `choice` (features,) uniform where there are several components.
    """

    def __init__(self, features: int, components: int = 1) -> None:
        super().__init__()
        if components < 1:
            raise CaloforgeError(f"The mixture has components={components}; give at least 1.")
        self.features, self.components = features, components
        self.outputs = (3 * components if components > 1 else 2) * features

    def noise(self) -> Mapping[str, Noise]:
        declared = {"value": Noise((self.features,))}
        return {"choice": Noise((self.features,), "uniform"), **declared} if self.components > 1 else declared

    def log_prob(self, x: Tensor, numbers: Tensor) -> Tensor:
        means, spreads, logits = self._parts(numbers)
        log_normal = _log_normal(x, means, spreads)
        if self.components == 1:
            return log_normal[:, 0].sum(-1)
        return torch.logsumexp(log_normal + torch.log_softmax(logits, 1), 1).sum(-1)

    def draw(self, numbers: Tensor, noise: Batch) -> Tensor:
        means, spreads, logits = self._parts(numbers)
        values = means + spreads * noise["value"][:, None]
        if self.components == 1:
            return values[:, 0]
        return _picked(values, torch.softmax(logits, 1), noise["choice"])

    def _parts(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means, spreads and logits, (N, components, features) each; no logits where there is one component."""
        parts = numbers.reshape(numbers.shape[0], -1, self.features)
        k = self.components
        return parts[:, :k], _spread(parts[:, k : 2 * k]), parts[:, 2 * k :]


class Hits(Observation):
    """Voxels that are empty or hit, and what a hit holds: x (N, 2 V) is 0 or 1 for each of V voxels, then the value of
    each (zero where it is empty), drawn from a mixture of normal laws.

    One uniform number per voxel picks between empty and the components. Noise: `choice` (V,) uniform, `value` (V,)
    normal. Given the decoder's numbers the voxels are independent: what links them must pass through the latent.
    """

    def __init__(self, voxels: int, components: int = 1) -> None:
        super().__init__()
        if components < 1:
            raise CaloforgeError(f"The mixture has components={components}; give at least 1.")
        self.voxels, self.components = voxels, components
        self.features, self.outputs = 2 * voxels, 3 * components * voxels

    def noise(self) -> Mapping[str, Noise]:
        return {"choice": Noise((self.voxels,), "uniform"), "value": Noise((self.voxels,))}

    def log_prob(self, x: Tensor, numbers: Tensor) -> Tensor:
        hit, values = x[:, : self.voxels], x[:, self.voxels :]
        means, spreads, log_weights = self._parts(numbers)
        of_value = torch.logsumexp(log_weights[:, 1:] + _log_normal(values, means, spreads), 1)
        return torch.where(hit > 0.5, of_value, log_weights[:, 0]).sum(-1)

    def draw(self, numbers: Tensor, noise: Batch) -> Tensor:
        means, spreads, log_weights = self._parts(numbers)
        weights = torch.exp(log_weights)
        values = means + spreads * noise["value"][:, None]
        hit = (noise["choice"] >= weights[:, 0]).to(values.dtype)
        value = _picked(values, weights[:, 1:], noise["choice"] - weights[:, 0])
        return torch.cat([hit, hit * value], -1)

    def _parts(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means and spreads (N, components, V), logs of the weights (N, 1 + components, V), the first of empty."""
        parts = numbers.reshape(numbers.shape[0], -1, self.voxels)
        k = self.components
        logits = parts[:, 2 * k :]
        log_weights = torch.log_softmax(torch.cat([torch.zeros_like(logits[:, :1]), logits], 1), 1)
        return parts[:, :k], _spread(parts[:, k : 2 * k]), log_weights


class SideBySide(Observation):
    """Several laws, each of its own columns of x: the names lead those of the noise.

    SideBySide({"energies": GaussianMixture(3), "voxels": Hits(504)})
    """

    def __init__(self, laws: Mapping[str, Observation]) -> None:
        super().__init__()
        self.laws = nn.ModuleDict(dict(laws))
        self.features = sum(law.features for law in laws.values())
        self.outputs = sum(law.outputs for law in laws.values())

    def noise(self) -> Mapping[str, Noise]:
        return {f"{name}.{draw}": noise for name, law in self._named() for draw, noise in law.noise().items()}

    def log_prob(self, x: Tensor, numbers: Tensor) -> Tensor:
        laws = [law for _, law in self._named()]
        parts = torch.split(x, [law.features for law in laws], -1)
        said = torch.split(numbers, [law.outputs for law in laws], -1)
        terms = [law.log_prob(part, own) for law, part, own in zip(laws, parts, said, strict=True)]
        return torch.stack(terms).sum(0)

    def draw(self, numbers: Tensor, noise: Batch) -> Tensor:
        said = torch.split(numbers, [law.outputs for _, law in self._named()], -1)
        drawn = []
        for (name, law), own in zip(self._named(), said, strict=True):
            drawn.append(law.draw(own, {draw: noise[f"{name}.{draw}"] for draw in law.noise()}))
        return torch.cat(drawn, -1)

    def _named(self) -> list[tuple[str, Observation]]:
        return [(name, cast(Observation, law)) for name, law in self.laws.items()]


def _spread(raw: Tensor) -> Tensor:
    return SMALLEST_SPREAD + F.softplus(raw)


def _log_normal(x: Tensor, means: Tensor, spreads: Tensor) -> Tensor:
    """Log density (N, components, features) of x (N, features) under each component."""
    z = (x[:, None] - means) / spreads
    return -0.5 * z * z - torch.log(spreads) - 0.5 * math.log(2 * math.pi)


def _picked(values: Tensor, weights: Tensor, choice: Tensor) -> Tensor:
    """The component (N, features) whose stretch of the cumulated weights holds `choice`, of values (N, K, features)."""
    edge, picked = torch.zeros_like(choice), values[:, 0]
    for k in range(1, values.shape[1]):
        edge = edge + weights[:, k - 1]
        picked = torch.where(choice >= edge, values[:, k], picked)
    return picked
