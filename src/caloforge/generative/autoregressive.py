"""Autoregressive spline blocks: one masked pass in one direction, one walk over the features in the other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caloforge.generative.fused_spline import fused_spline
from caloforge.nn.made import MADE


class Pass(NamedTuple):
    """One dense pass: the block's other side (N, D), log |d other / d input| (N,), and MADE's outputs (N, D, 3K-1)."""

    value: Tensor
    logabsdet: Tensor
    parameters: Tensor


class AutoregressiveSpline(nn.Module):
    """z_d = S(x_d; p_d) with S a spline and p_d given by MADE from the features before d of x or, if `reverse`, of z.

    `dense` goes from the side that MADE reads to the other one in one pass; `walk` goes back feature by feature and
    computes every hidden unit once.
    """

    def __init__(
        self,
        made: MADE,
        tail_bound: float = 14.0,
        min_bin: float = 1e-6,
        min_derivative: float = 1e-6,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        self.made, self.reverse = made, reverse
        self.tail_bound, self.min_bin, self.min_derivative = tail_bound, min_bin, min_derivative

    def _spline(self, value: Tensor, raw: Tensor, inverse: bool, need_logabsdet: bool = True) -> tuple[Tensor, Tensor]:
        return fused_spline(value, raw, inverse, self.tail_bound, self.min_bin, self.min_derivative, need_logabsdet)

    def dense(self, value: Tensor, context: Tensor | None = None, need_logabsdet: bool = True) -> Pass:
        """One pass from the side that MADE reads, value (N, D), to the other side."""
        raw: Tensor = self.made(value, context)
        other, logabsdet = self._spline(value, raw, self.reverse, need_logabsdet)
        return Pass(other, logabsdet.sum(-1), raw)

    def walk(self, other: Tensor, context: Tensor | None = None) -> Tensor:
        """From the other side (N, D) back to the side that MADE reads; dropout is off.

        Features whose parameters depend on the same hidden units are done together, so the number of steps is that
        of the distinct hidden degrees plus one. Gradients are followed where they are enabled.
        """
        with torch.autocast(other.device.type, enabled=False):  # errors add up along a walk
            context = None if context is None else context.to(other.dtype)
            steps = _Walk(self.made, self.made.context_term(context), other)
            in_place = not torch.is_grad_enabled()
            for step in range(steps.count):
                raw = steps.parameters(step)
                begin, end = steps.features(step)
                value, _ = self._spline(other[:, begin:end], raw, not self.reverse, need_logabsdet=False)
                steps.append(step, value, in_place)
            return steps.known

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z (N, D) and log |dz/dx| (N,)."""
        if not self.reverse:
            result = self.dense(x, context)
            return result.value, result.logabsdet
        z = self.walk(x, context)
        return z, -self.dense(z, context).logabsdet

    def inverse(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """x (N, D)."""
        return self.dense(z, context, need_logabsdet=False).value if self.reverse else self.walk(z, context)


class _Walk:
    """State of one walk: the features and hidden units known so far, the units sorted by degree."""

    def __init__(self, made: MADE, context_term: Tensor | None, like: Tensor) -> None:
        self.made = made
        degrees = [degree.sort(stable=True) for degree in made.degrees]
        marks = sorted({mark for degree in made.degrees for mark in degree.tolist() if mark < made.features})
        self.stops = [*marks, made.features]
        self.count = len(self.stops)
        ends = torch.tensor(self.stops)
        self.units = [torch.searchsorted(degree.values, ends, right=True).tolist() for degree in degrees]
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        before: Tensor | None = None
        for layer, degree in zip(made.masked_layers(), degrees, strict=True):
            weight: Tensor = layer.weight
            bias: Tensor = layer.bias
            order = None if bool((degree.indices.diff() > 0).all()) else degree.indices.to(weight.device)
            if before is not None:
                weight = weight[:, before]
            if order is not None:
                weight, bias = weight[order], bias[order]
            self.weights.append(weight)
            self.biases.append(bias)
            if len(self.weights) == 1 and context_term is not None and order is not None:
                context_term = context_term[:, order]
            before = order
        output: Tensor = made.output_layer.weight
        self.output = output if before is None else output[:, before]
        self.first = self.biases[0].expand(len(like), -1) if context_term is None else context_term + self.biases[0]
        self.known = like.new_empty(len(like), made.features)
        self.hidden = [like.new_empty(len(like), weight.shape[0]) for weight in self.weights]
        self.n_hidden = [0] * len(self.weights)

    def features(self, step: int) -> tuple[int, int]:
        """First and one past the last feature of a step."""
        return (self.stops[step - 1] if step else 0), self.stops[step]

    def parameters(self, step: int) -> Tensor:
        """MADE's outputs (N, features of the step, parameters)."""
        begin, end = self.features(step)
        per = self.made.parameters_per_feature
        rows = slice(begin * per, end * per)
        bias = self.made.output_layer.bias[rows]
        known = self.n_hidden[-1]
        if known == 0:
            return bias.view(end - begin, per).expand(len(self.known), -1, -1)
        raw = torch.addmm(bias, self.hidden[-1][:, :known], self.output[rows, :known].t())
        return raw.view(len(raw), end - begin, per)

    def append(self, step: int, value: Tensor, in_place: bool) -> None:
        """Take in the features of a step and compute the hidden units that they complete."""
        begin, end = self.features(step)
        if in_place:
            self.known[:, begin:end] = value
        else:
            self.known = value if begin == 0 else torch.cat([self.known, value], -1)
        if step == self.count - 1:
            return
        inputs, known = self.known, end
        for number, weight in enumerate(self.weights):
            start, stop = self.n_hidden[number], self.units[number][step]
            if stop > start:
                base = self.first[:, start:stop] if number == 0 else self.biases[number][start:stop]
                new = torch.addmm(base, inputs[:, :known], weight[start:stop, :known].t())
                if in_place:
                    torch.clamp_min(new, 0, out=self.hidden[number][:, start:stop])
                else:
                    new = F.relu(new)
                    old = self.hidden[number]
                    self.hidden[number] = new if start == 0 else torch.cat([old, new], -1)
                self.n_hidden[number] = stop
            inputs, known = self.hidden[number], stop


class MaskedAutoregressive(AutoregressiveSpline):
    """Density in one pass (x -> z), sampling by one walk."""

    def __init__(
        self, made: MADE, tail_bound: float = 14.0, min_bin: float = 1e-6, min_derivative: float = 1e-6
    ) -> None:
        super().__init__(made, tail_bound, min_bin, min_derivative, reverse=False)


class InverseAutoregressive(AutoregressiveSpline):
    """Sampling in one pass (z -> x), density by one walk; the same spline for the same MADE outputs."""

    def __init__(
        self, made: MADE, tail_bound: float = 14.0, min_bin: float = 1e-6, min_derivative: float = 1e-6
    ) -> None:
        super().__init__(made, tail_bound, min_bin, min_derivative, reverse=True)
