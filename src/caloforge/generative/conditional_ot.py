"""Optimal transport that leaves p(x | condition) right: the condition takes part in the cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative.assignment import assign
from caloforge.generative.contracts import Batch
from caloforge.generative.coupling import Coupling
from caloforge.generative.transport_cost import centred_products, spread


@dataclass(frozen=True)
class ConditionalOT(Coupling):
    """Exact minibatch optimal transport of samples together with their conditions: a permutation.

    Noise i is drawn beside data i and takes over its condition, of which it is independent. Then samples and
    conditions are paired at the cost |x - z|^2 + w |c - c'|^2: with a large w, noise goes to data of a like condition
    and p(noise | condition) stays what generation draws from (Chemseddine et al., arXiv:2403.18705; Kerrigan et al.,
    arXiv:2404.04240). Samples with other values of a discrete condition are never paired at all.

    weight   how much the conditions weigh beside the samples, as the ratio of the spreads of both parts of the cost
             (`transport_cost.spread`); 0 is `ExactOT` inside each class
    classes  names of conditions that are discrete: rows of equal values form a class, transport is exact inside each.
             Only as many samples of a class as a batch holds can be paired: give `prepare` several batches at once
             (`Objective.pool`) where classes are many.

    The other conditions are standardised over the batch, and each number of them counts alike.
    """

    weight: float = 100.0
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.classes, str):
            raise CaloforgeError(
                f"ConditionalOT has classes={self.classes!r}; give a list of names, ['{self.classes}']."
            )
        object.__setattr__(self, "classes", tuple(self.classes))
        if not 0.0 <= self.weight < float("inf"):
            raise CaloforgeError(f"The weight of ConditionalOT is {self.weight!r}; give a finite number from 0 on.")

    def _order(self, noise: Tensor, data: Tensor, condition: Batch, rng: np.random.Generator) -> Tensor:
        missing = [name for name in self.classes if name not in condition]
        if missing:
            raise CaloforgeError(
                f"The batch has no condition '{missing[0]}' for ConditionalOT's classes; it has {sorted(condition)}."
            )
        order = torch.arange(len(data), device=data.device)
        weighed = _standardised([value for name, value in condition.items() if name not in self.classes], data)
        for rows in self._members(condition, len(data)):
            if len(rows) > 1:
                rows = rows.to(data.device)
                x, z, c = data[rows], noise[rows], weighed[rows]
                order[rows] = rows[torch.from_numpy(assign(self._cost(x, z, c).cpu().numpy())).to(rows.device)]
        return order

    def _cost(self, data: Tensor, noise: Tensor, condition: Tensor) -> Tensor:
        products = centred_products(data, noise)
        if self.weight > 0.0 and condition.shape[1]:
            of_condition = centred_products(condition, condition)
            unit = spread(of_condition)
            if unit != 0.0:
                products += of_condition.to(products) * (self.weight * spread(products) / unit)
        return products.mul_(-1.0)

    def _members(self, condition: Batch, n: int) -> list[Tensor]:
        """Rows of every class, in the order of the classes' values."""
        if not self.classes:
            return [torch.arange(n)]
        values = torch.cat([condition[name].detach().cpu().reshape(n, -1).double() for name in self.classes], 1)
        if not bool(values.isfinite().all()):
            raise CaloforgeError(f"A class of ConditionalOT ({', '.join(self.classes)}) is not finite in this batch.")
        _, label = torch.unique(values, dim=0, return_inverse=True)
        return list(torch.split(label.argsort(stable=True), torch.bincount(label).tolist()))


def _standardised(conditions: list[Tensor], data: Tensor) -> Tensor:
    """All numbers of the conditions side by side, (N, C), with mean 0 and standard deviation 1; constants are 0."""
    if not conditions:
        return data.new_zeros(len(data), 0)
    flat = torch.cat([value.detach().reshape(len(data), -1).to(data) for value in conditions], 1)
    deviation = flat.std(0, correction=0)
    return (flat - flat.mean(0)) / torch.where(deviation > 0, deviation, torch.ones_like(deviation))
