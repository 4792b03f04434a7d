"""Conditional spline flows: the masked one (density in one pass) and the inverse one (sampling in one pass)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError
from caloforge.generative.autoregressive import Autoregressive
from caloforge.generative.contracts import Batch, Noise
from caloforge.generative.permutation import Permutation, Scheme, permutations
from caloforge.generative.univariate import Spline, Univariate
from caloforge.nn.made import MADE, ContextMode, Degrees

Direction = Literal["masked", "inverse"]


class Trace(NamedTuple):
    """What a dense pass went through, always listed from x to z: n+1 states (N, D) from x = states[0] to
    z = states[-1], MADE's outputs of the n blocks (N, D, 3K-1), and log |dz/dx| (N,)."""

    states: tuple[Tensor, ...]
    parameters: tuple[Tensor, ...]
    logabsdet: Tensor


class Flow(nn.Module):
    """p(x | context) of x (N, features): autoregressive spline blocks with permutations over a standard normal.

    `direction` "masked" makes densities in one pass and samples by a walk, "inverse" the other way round. `hidden` is
    the width of one hidden layer or the widths of several; `groups` are sizes within which random permutations stay.
    `passes` is the number of groups of features that a walk does one after the other (2: coupling; None: one for each
    feature); `univariate` replaces the spline by another map. A new flow starts near the identity. Raises
    CaloforgeError for settings that cannot be used.
    """

    def __init__(
        self,
        features: int,
        context_features: int = 0,
        blocks: int = 6,
        hidden: int | Sequence[int] = 128,
        bins: int = 8,
        tail_bound: float = 14.0,
        dropout: float = 0.0,
        permutation: Scheme = "alternating",
        permutation_seed: int = 0,
        groups: Sequence[int] | None = None,
        direction: Direction = "masked",
        min_bin: float = 1e-6,
        min_derivative: float = 1e-6,
        degrees: Degrees = "sorted",
        context_mode: ContextMode = "add",
        passes: int | None = None,
        univariate: Univariate | None = None,
    ) -> None:
        super().__init__()
        if min(features, blocks) < 1:
            raise CaloforgeError(
                f"The flow has features={features}, blocks={blocks}, but both must be positive; correct the recipe."
            )
        if univariate is None:
            univariate = Spline(bins, tail_bound, min_bin, min_derivative)
        if direction not in ("masked", "inverse"):
            raise CaloforgeError(f"The flow has direction='{direction}'; give 'masked' or 'inverse'.")
        self.features, self.context_features, self.direction = features, context_features, direction
        self.blocks = nn.ModuleList()
        for _ in range(blocks):
            made = MADE(
                features,
                hidden,
                univariate.parameters,
                context_features,
                degrees=degrees,
                context_mode=context_mode,
                dropout=dropout,
                passes=passes,
            )
            _start_near_identity(made, univariate)
            self.blocks.append(Autoregressive(made, univariate, reverse=direction == "inverse"))
        self.permutations = nn.ModuleList(
            Permutation(indices) for indices in permutations(features, blocks, permutation, permutation_seed, groups)
        )

    def _pairs(self) -> list[tuple[Permutation, Autoregressive]]:
        return [
            (cast(Permutation, permutation), cast(Autoregressive, block))
            for permutation, block in zip(self.permutations, self.blocks, strict=True)
        ]

    def noise(self, condition: Batch, settings: Any = None) -> Mapping[str, Noise]:
        """One standard normal draw "z" per feature."""
        return {"z": Noise((self.features,))}

    def decode(self, noise: Batch, condition: Batch, settings: Any = None) -> Tensor:
        """x (N, features) from {"z": (N, features)} and {"context": (N, context_features)}."""
        context = condition.get("context")
        value = noise["z"]
        for number, (permutation, block) in reversed(list(enumerate(self._pairs()))):
            value = permutation.inverse(block.inverse(value, context))
            if not torch.compiler.is_compiling() and not bool(value.isfinite().all()):
                self._refuse_broken(number)
        return value

    def _refuse_broken(self, number: int) -> None:
        """Raise CaloforgeError where a block has parameters that are not finite."""
        for name, parameter in self.blocks[number].named_parameters():
            if not bool(parameter.isfinite().all()):
                raise CaloforgeError(
                    f"Block {number} of the flow has parameters that are not finite ('blocks.{number}.{name}'); take"
                    " the weights of an earlier checkpoint, or train with a lower learning_rate or with clip_norm."
                )

    def encode(self, x: Tensor, condition: Batch) -> tuple[Tensor, Tensor]:
        """z (N, features) of x, and log |dz/dx| (N,)."""
        context = condition.get("context")
        total = x.new_zeros(len(x))
        for permutation, block in self._pairs():
            x, logabsdet = block(permutation(x), context)
            total = total + logabsdet
        return x, total

    def log_prob(
        self, x: Tensor, condition: Batch, settings: Any = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """log p(x | context) in nats, (N,)."""
        z, logabsdet = self.encode(x, condition)
        return logabsdet - 0.5 * (z * z).sum(-1) - 0.5 * self.features * math.log(2 * math.pi)

    def forward_with_intermediates(self, start: Tensor, condition: Batch) -> Trace:
        """The dense pass with all that it meets: from x for a masked flow, from z for an inverse one."""
        context = condition.get("context")
        masked = self.direction == "masked"
        value, states, parameters = start, [start], []
        total = start.new_zeros(len(start))
        pairs = self._pairs()
        for permutation, block in pairs if masked else reversed(pairs):
            result = block.dense(permutation(value) if masked else value, context)
            value = result.value if masked else permutation.inverse(result.value)
            states.append(value)
            parameters.append(result.parameters)
            total = total + result.logabsdet
        if masked:
            return Trace(tuple(states), tuple(parameters), total)
        return Trace(tuple(reversed(states)), tuple(reversed(parameters)), -total)

    def forward(self, x: Tensor, condition: Batch) -> Tensor:
        """The same as log_prob."""
        return self.log_prob(x, condition)


def _start_near_identity(made: MADE, univariate: Univariate) -> None:
    """Small output weights, and the biases of the identity."""
    with torch.no_grad():
        made.output_layer.weight.mul_(0.1)
        made.output_layer.bias.view(made.features, -1).copy_(univariate.identity())
