"""Couplings: which noise is paired with which data in a batch of flow matching."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative.assignment import assign
from caloforge.generative.contracts import Batch
from caloforge.generative.transport_cost import centred_products


class Coupling(ABC):
    """A rule that pairs the noise with the data of a batch.

    A subclass writes `_order`; it is called with two samples or more, equal numbers of both.

    Example:
        >>> class Reversed(Coupling):
        ...     def _order(self, noise, data, condition, rng):
        ...         return torch.arange(len(noise)).flip(0)
    """

    def order(self, noise: Tensor, data: Tensor, condition: Batch, rng: np.random.Generator) -> Tensor:
        """Pair `noise[order[i]]` with `data[i]`; data and condition stay where they are.

        noise, data  (N, ...), samples of the two ends of the path, of equal shapes
        condition    named tensors, N rows each
        rng          the source of whatever the rule draws

        Returns int64 (N,) on the CPU or the device of `data`. Raises CaloforgeError where the shapes differ
        or a value is not finite.
        """
        if len(noise) != len(data):
            raise CaloforgeError(f"A coupling pairs equal numbers of noise and data, not {len(noise)} and {len(data)}.")
        if noise.shape != data.shape:
            raise CaloforgeError(
                f"A coupling pairs noise and data of one shape, not of {tuple(noise.shape[1:])} and"
                f" {tuple(data.shape[1:])}."
            )
        uneven = [name for name, value in condition.items() if len(value) != len(data)]
        if uneven:
            found = len(condition[uneven[0]])
            raise CaloforgeError(
                f"The condition '{uneven[0]}' has {found} rows for {len(data)} samples; give one each."
            )
        if len(data) < 2:
            return torch.zeros(len(data), dtype=torch.int64, device=data.device)
        return self._order(noise, data, condition, rng)

    @abstractmethod
    def _order(self, noise: Tensor, data: Tensor, condition: Batch, rng: np.random.Generator) -> Tensor: ...


@dataclass(frozen=True)
class Independent(Coupling):
    """Noise stays as it was drawn: independent of the data and of the condition. The default of conditional recipes."""

    def _order(self, noise: Tensor, data: Tensor, condition: Batch, rng: np.random.Generator) -> Tensor:
        return torch.arange(len(data), device=data.device)


@dataclass(frozen=True)
class ExactOT(Coupling):
    """Exact minibatch optimal transport under squared Euclidean cost (Tong et al., arXiv:2302.00482): a permutation.

    It ignores the condition. With one, p(noise | condition) is then no longer the law that generation draws from,
    and generated samples are biased: take `Independent` or `ConditionalOT`.
    """

    def _order(self, noise: Tensor, data: Tensor, condition: Batch, rng: np.random.Generator) -> Tensor:
        cost = centred_products(data, noise).mul_(-1.0)
        return torch.from_numpy(assign(cost.cpu().numpy())).to(data.device)
