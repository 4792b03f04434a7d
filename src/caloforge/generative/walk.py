"""The walk through an autoregressive block in plain torch: every hidden unit is computed once, when its last input is.

This version runs on every device and precision and carries gradients; `fast_walk.py` is the one for float32 on a CPU.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from caloforge.generative.univariate import Univariate
from caloforge.nn.made import MADE


class Layers(NamedTuple):
    """What a walk needs of a MADE: weights, biases and degrees of its hidden layers, and the output layer."""

    weights: list[Tensor]
    biases: list[Tensor]
    degrees: list[Tensor]
    output_weight: Tensor
    output_bias: Tensor

    @staticmethod
    def of(made: MADE) -> Layers:
        """The layers of a MADE. Masked-out weights need no zeros: a walk does not read them."""
        hidden = made.masked_layers()
        output = made.output_layer
        return Layers(
            [layer.weight for layer in hidden],
            [layer.bias for layer in hidden],
            list(made.degrees),
            output.weight,
            output.bias,
        )

    def sorted(self) -> Layers:
        """The same with the units of every layer in the order of their degrees."""
        weights, biases, degrees = [], [], []
        before: Tensor | None = None
        for weight, bias, degree in zip(self.weights, self.biases, self.degrees, strict=True):
            order = order_of(degree)
            if before is not None:
                weight = weight[:, before.to(weight.device)]
            if order is not None:
                weight, bias = weight[order.to(weight.device)], bias[order.to(bias.device)]
            weights.append(weight)
            biases.append(bias)
            degrees.append(degree if order is None else degree[order])
            before = order
        output = self.output_weight if before is None else self.output_weight[:, before.to(self.output_weight.device)]
        return Layers(weights, biases, degrees, output, self.output_bias)


def order_of(degrees: Tensor) -> Tensor | None:
    """Indices that sort the degrees (stable), or None where they are sorted."""
    return None if bool((degrees.diff() >= 0).all()) else degrees.sort(stable=True).indices


def walk(
    other: Tensor, first: Tensor | None, layers: Layers, univariate: Univariate, inverse: bool
) -> tuple[Tensor, Tensor]:
    """From one side of a block, other (N, D), to the side that its MADE reads: value (N, D) and the sum (N,) of
    log |d value / d other|.

    first (N, H): what the context adds to the first hidden layer. `inverse`: the univariate map's inverse leads from
    `other` to the value. Features whose parameters depend on the same hidden units are done together. Gradients are
    followed where they are enabled.
    """
    order = order_of(layers.degrees[0])
    if first is not None and order is not None:
        first = first[:, order.to(first.device)]
    steps = _Steps(layers.sorted(), first, other, univariate.parameters)
    total = other.new_zeros(len(other))
    for step in range(steps.count):
        begin, end = steps.features(step)
        value, logabsdet = univariate(other[:, begin:end], steps.parameters(step), inverse)
        total = total + logabsdet.sum(-1)
        steps.append(step, value)
    return steps.known, total


class _Steps:
    """State of one walk: the features and hidden units known so far."""

    def __init__(self, layers: Layers, first: Tensor | None, like: Tensor, per: int) -> None:
        self.layers, self.per, self.in_place = layers, per, not torch.is_grad_enabled()
        features = like.shape[1]
        marks = {int(mark) for degree in layers.degrees for mark in degree if mark < features}
        self.stops = [*sorted(marks), features]
        self.count = len(self.stops)
        ends = torch.tensor(self.stops)
        self.units = [torch.searchsorted(degree, ends, right=True).tolist() for degree in layers.degrees]
        bias = layers.biases[0]
        self.first = bias.expand(len(like), -1) if first is None else first + bias
        self.known = like.new_empty(len(like), features if self.in_place else 0)
        self.hidden = [like.new_empty(len(like), weight.shape[0] if self.in_place else 0) for weight in layers.weights]
        self.n_hidden = [0] * len(layers.weights)

    def features(self, step: int) -> tuple[int, int]:
        """First and one past the last feature of a step."""
        return (self.stops[step - 1] if step else 0), self.stops[step]

    def parameters(self, step: int) -> Tensor:
        """MADE's outputs (N, features of the step, parameters)."""
        begin, end = self.features(step)
        rows = slice(begin * self.per, end * self.per)
        bias, known = self.layers.output_bias[rows], self.n_hidden[-1]
        if known == 0:
            return bias.view(end - begin, self.per).expand(len(self.known), -1, -1)
        raw = torch.addmm(bias, self.hidden[-1][:, :known], self.layers.output_weight[rows, :known].t())
        return raw.view(len(raw), end - begin, self.per)

    def append(self, step: int, value: Tensor) -> None:
        """Take in the features of a step and compute the hidden units that they complete."""
        begin, end = self.features(step)
        if self.in_place:
            self.known[:, begin:end] = value
        else:
            self.known = torch.cat([self.known, value], -1)
        if step == self.count - 1:
            return
        inputs, known = self.known, end
        for number, weight in enumerate(self.layers.weights):
            start, stop = self.n_hidden[number], self.units[number][step]
            if stop > start:
                base = self.first[:, start:stop] if number == 0 else self.layers.biases[number][start:stop]
                new = F.relu(torch.addmm(base, inputs[:, :known], weight[start:stop, :known].t()))
                if self.in_place:
                    self.hidden[number][:, start:stop] = new
                else:
                    self.hidden[number] = torch.cat([self.hidden[number], new], -1)
                self.n_hidden[number] = stop
            inputs, known = self.hidden[number], stop
