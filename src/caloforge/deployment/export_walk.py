"""The walk through a masked block as a fixed sequence of products, planned once, so that it can be one graph."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caloforge.generative.autoregressive import Autoregressive
from caloforge.generative.walk import Layers, order_of


def walk_steps(block: Autoregressive) -> list[int]:
    """The feature after the last one of every step of the block's walk."""
    features = block.made.features
    marks = {int(mark) for degree in block.made.degrees for mark in degree if mark < features}
    return [*sorted(marks), features]


class UnrolledWalk(nn.Module):
    """The same as `block.inverse` of a masked block: x (N, D) from z (N, D), hidden units by rising degree.

    Weights are copied; what the masks switch off is never read.
    """

    def __init__(self, block: Autoregressive) -> None:
        super().__init__()
        self.made, self.univariate = block.made, block.univariate
        raw = Layers.of(block.made)
        layers = raw.sorted()
        order = order_of(raw.degrees[0])
        first = torch.arange(len(raw.degrees[0])) if order is None else order
        self.register_buffer("first", first)
        for number, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
            self.register_buffer(f"weight_{number}", weight.detach().clone())
            self.register_buffer(f"bias_{number}", bias.detach().clone())
        self.register_buffer("output_weight", layers.output_weight.detach().clone())
        self.register_buffer("output_bias", layers.output_bias.detach().clone())
        stops = walk_steps(block)
        self.spans = list(pairwise([0, *stops]))
        degrees = [degree.numpy() for degree in layers.degrees]
        self.known = [[int(np.searchsorted(degree, stop, side="right")) for stop in stops] for degree in degrees]

    def inverse(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """x (N, D)."""
        bias = self.get_buffer("bias_0")
        term = self.made.context_term(context)
        base = bias[None] if term is None else term.index_select(-1, self.get_buffer("first")) + bias
        hidden: list[Tensor | None] = [None] * len(self.known)
        values: list[Tensor] = []
        for step, (begin, end) in enumerate(self.spans):
            if end > begin:
                raw = self._numbers(hidden[-1], begin, end)
                values.append(self.univariate(z[:, begin:end], raw, inverse=True, need_logabsdet=False)[0])
            if step < len(self.spans) - 1:
                self._learn(step, torch.cat(values, -1) if values else z[:, :0], base, hidden)
        return torch.cat(values, -1)

    def _numbers(self, hidden: Tensor | None, begin: int, end: int) -> Tensor:
        """Numbers of the univariate map (N or 1, features of the step, parameters)."""
        per = self.univariate.parameters
        rows = slice(begin * per, end * per)
        bias = self.get_buffer("output_bias")[rows]
        if hidden is None:
            return bias.reshape(1, end - begin, per)
        weight = self.get_buffer("output_weight")[rows, : hidden.shape[1]]
        return F.linear(hidden, weight, bias).reshape(-1, end - begin, per)

    def _learn(self, step: int, known: Tensor, base: Tensor, hidden: list[Tensor | None]) -> None:
        """The hidden units that the features of a step complete."""
        inputs: Tensor | None = known if known.shape[1] else None
        for number, units in enumerate(self.known):
            start, stop = (units[step - 1] if step else 0), units[step]
            if stop > start:
                weight = self.get_buffer(f"weight_{number}")[start:stop]
                own = base[:, start:stop] if number == 0 else self.get_buffer(f"bias_{number}")[None, start:stop]
                if inputs is not None:
                    own = own + F.linear(inputs, weight[:, : inputs.shape[1]])
                new = F.relu(own.expand(known.shape[0], -1))
                before = hidden[number]
                hidden[number] = new if before is None else torch.cat([before, new], -1)
            inputs = hidden[number]
