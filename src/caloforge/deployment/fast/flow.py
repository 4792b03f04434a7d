"""A spline flow towards the showers, from weights packed once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from caloforge.deployment.fast.flow_kernel import dense_block, walk_block
from caloforge.deployment.fast.panels import Floats, Integers, Panels, aligned, reach
from caloforge.deployment.fast.product_kernel import WIDTH
from caloforge.errors import CaloforgeError
from caloforge.generative.autoregressive import Autoregressive
from caloforge.generative.flow import Flow
from caloforge.generative.permutation import Permutation
from caloforge.generative.spline import MAX_DERIVATIVE
from caloforge.generative.univariate import Spline
from caloforge.nn.compilation import announced
from caloforge.nn.made import MADE


class _Masked(NamedTuple):
    """MADE's layers with their masks multiplied in, hidden units by rising degree, the context before the features."""

    hidden: list[tuple[Floats, Floats]]
    degrees: list[Integers]
    output: tuple[Floats, Floats]


def _masked(made: MADE) -> _Masked:
    if made.context_mode != "add" and made.context_layer is not None:
        raise CaloforgeError(
            f"FastShowers knows MADE with context_mode='add', but '{made.context_mode}' was found; use --engine torch, "
            "or export the model to ONNX."
        )
    order = np.arange(made.features)
    hidden, degrees = [], []
    for number, layer in enumerate(made.masked_layers()):
        degree = made.degrees[number].cpu().numpy()
        rising = np.argsort(degree, kind="stable")
        weight = (layer.weight * layer.mask).detach().cpu().float().numpy()[rising][:, order]
        bias = layer.bias.detach().cpu().float().numpy()[rising]
        if number == 0 and made.context_layer is not None:
            given = made.context_layer
            weight = np.concatenate([given.weight.detach().cpu().float().numpy()[rising], weight], 1)
            bias = bias + given.bias.detach().cpu().float().numpy()[rising]
        hidden.append((weight, bias))
        degrees.append(degree[rising])
        order = rising
    last = made.output_layer
    weight = (last.weight * last.mask).detach().cpu().float().numpy()[:, order]
    return _Masked(hidden, degrees, (weight, last.bias.detach().cpu().float().numpy()))


class Block:
    """One autoregressive block and the permutation behind it."""

    def __init__(self, block: Autoregressive, permutation: Permutation) -> None:
        spline, made = block.univariate, block.made
        if not isinstance(spline, Spline):
            raise CaloforgeError(
                f"FastShowers knows splines, but {spline} was found; use --engine torch, or export the model to ONNX."
            )
        self.dense, self.context = block.reverse, made.context_features
        masked, panels = _masked(made), Panels()
        layers = [panels.add_layer(*layer) for layer in masked.hidden]
        first = len(panels.weights)
        self._add_outputs(panels, masked, made.features, spline.parameters)
        widths = [(last - begin) * WIDTH for begin, last in layers]
        each = -(-spline.parameters // WIDTH) * WIDTH
        self.hidden = (max(widths), max(widths)) if self.dense else (sum(widths), each)
        self._weights = panels.numbers(), panels.table(), np.array(layers, dtype=np.int64)
        self._ready = () if self.dense else (_ready(masked.degrees, layers, made.features),)
        limits = [spline.tail_bound, spline.min_bin, spline.min_derivative, MAX_DERIVATIVE]
        place = permutation.indices.cpu().numpy().astype(np.int64)
        self._rest = first, place, spline.bins, np.array(limits, dtype=np.float32)

    def _add_outputs(self, panels: Panels, masked: _Masked, features: int, parameters: int) -> None:
        weight, bias = masked.output
        weight, bias = weight.reshape(features, parameters, -1), bias.reshape(features, parameters)
        if self.dense:
            for start in range(0, features, WIDTH):
                group = weight[start : start + WIDTH]
                depth = reach(group.reshape(-1, group.shape[-1]))
                for p in range(parameters):
                    panels.add(group[:, p], bias[start : start + WIDTH, p], depth)
        else:
            for d in range(features):
                for start in range(0, parameters, WIDTH):
                    part = weight[d, start : start + WIDTH]
                    panels.add(part, bias[d, start : start + WIDTH], reach(weight[d]))

    def __call__(self, value: Floats, n: int, even: Floats, odd: Floats, made: Floats, fresh: Floats) -> None:
        """The first n rows of `fresh` from those of `value`; the others are workspace."""
        if self.dense:
            announced(dense_block)(value, n, self.context, *self._weights, *self._rest, even, odd, fresh)
        else:
            announced(walk_block)(
                value, n, self.context, *self._weights, *self._ready, *self._rest, even, odd, made, fresh
            )


def _ready(degrees: list[Integers], layers: list[tuple[int, int]], features: int) -> Integers:
    """Panels (layers, D, 2) with the units of degree d, for d = 0 ... D - 1."""
    result = np.zeros((len(layers), features, 2), np.int64)
    for number, (degree, (first, _)) in enumerate(zip(degrees, layers, strict=True)):
        begin = np.searchsorted(degree, np.arange(features), side="left")
        end = np.searchsorted(degree, np.arange(features), side="right")
        result[number, :, 0] = first + begin // WIDTH
        result[number, :, 1] = np.where(end > begin, first + -(-end // WIDTH), first + begin // WIDTH)
    return result


class FastFlow:
    """x of up to `rows` showers at a time from z and a context, in buffers of its own."""

    def __init__(self, flow: Flow, rows: int) -> None:
        self.features, self.context = flow.features, flow.context_features
        pairs = zip(flow.permutations, flow.blocks, strict=True)
        blocks = [Block(block, permutation) for permutation, block in pairs]  # type: ignore[arg-type]
        self._blocks = blocks[::-1]
        wide, odd = (max(block.hidden[i] for block in blocks) for i in range(2))
        self._row, self._even, self._odd = (rows, self.context + self.features), (rows, wide), (rows, odd)

    def workspace(self) -> tuple[Floats, ...]:
        """Memory for one thread: two buffers, a third for walks, and the hidden units; the showers' row in the first
        is their context, then z."""
        return aligned(self._row), aligned(self._row), aligned(self._row), aligned(self._even), aligned(self._odd)

    def decode(self, n: int, workspace: tuple[Floats, ...]) -> Floats:
        """The first n rows of the first buffer through all blocks; gives the buffer whose rows are context, then x."""
        value, fresh, made, even, odd = workspace
        fresh[:n, : self.context] = value[:n, : self.context]
        for block in self._blocks:
            block(value, n, even, odd, made, fresh)
            value, fresh = fresh, value
        return value
