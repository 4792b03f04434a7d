"""The walk for float32 splines on a CPU: matrix products for what lies before a block of features, a kernel inside it.

One torch operator, `caloforge::walk`. Showers are taken in tiles of fixed size, so that memory is constant and the
number of threads changes no bit; several threads share the tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caloforge.generative.spline import MAX_DERIVATIVE
from caloforge.generative.univariate import Spline
from caloforge.generative.walk import Layers, order_of
from caloforge.generative.walk import walk as plain_walk
from caloforge.nn.compilation import announced

BLOCK = 32
TILE = 256

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Features begin ... end - 1, and for each hidden layer the units known before and those known after them.

    The other arrays are those of `walk_kernel.triangle`.
    """

    begin: int
    end: int
    known: tuple[tuple[int, int], ...]
    table: Integers
    stops: Integers
    inside: Integers
    last_row: int

    @property
    def own(self) -> int:
        """Units of all layers that the block's features complete."""
        return sum(after - before for before, after in self.known)


@lru_cache(maxsize=64)
def plan(features: int, degrees: tuple[bytes, ...]) -> tuple[Block, ...]:
    """The blocks of a walk over hidden layers whose sorted degrees (int64, as bytes) are given."""
    layers = [np.frombuffer(degree, dtype=np.int64) for degree in degrees]
    return tuple(_block(begin, min(begin + BLOCK, features), layers) for begin in range(0, features, BLOCK))


def _block(begin: int, end: int, layers: list[Integers]) -> Block:
    known = tuple(
        (int(np.searchsorted(d, begin, side="right")), int(np.searchsorted(d, end, side="right"))) for d in layers
    )
    size = end - begin
    units: list[tuple[int, int, tuple[int, int, int, int, int]]] = []
    source, previous, row, offset = 0, np.arange(begin + 1, end + 1, dtype=np.int64), size, 0
    for number, (degree, (before, after)) in enumerate(zip(layers, known, strict=True)):
        own = degree[before:after]
        for place, mark in enumerate(own.tolist()):
            count = int(np.searchsorted(previous, mark, side="right"))
            entry = (row + place, row + place - size, source, count, offset + place * len(previous))
            units.append((mark - begin - 1, number, entry))
        offset += len(own) * len(previous)
        source, previous, row = row, own, row + len(own)
    units.sort(key=lambda unit: unit[:2])
    completed = np.array([unit[0] for unit in units], dtype=np.int64)
    return Block(
        begin,
        end,
        known,
        np.array([unit[2] for unit in units], dtype=np.int64).reshape(-1, 5),
        np.searchsorted(completed, np.arange(size + 1), side="left").astype(np.int64),
        np.searchsorted(previous, np.arange(begin, end), side="right").astype(np.int64),
        source,
    )


@torch.library.custom_op("caloforge::walk", mutates_args=(), device_types="cpu")
def _walk(
    other: Tensor, first: Tensor, weights: list[Tensor], biases: list[Tensor], degrees: list[Tensor],
    output_weight: Tensor, output_bias: Tensor,
    inverse: bool, bins: int, tail_bound: float, min_bin: float, min_derivative: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The walk of `walk.walk` for sorted layers and a spline, all in float32; first (N, H) includes the bias."""
    layers = Layers(weights, biases, degrees, output_weight, output_bias)
    blocks = plan(other.shape[1], tuple(degree.numpy().tobytes() for degree in degrees))
    value, logabsdet = torch.empty_like(other), other.new_zeros(len(other))
    spline = Spline(bins, tail_bound, min_bin, min_derivative)
    rows = [slice(start, start + TILE) for start in range(0, len(other), TILE)]
    threads = min(torch.get_num_threads(), len(rows))
    if threads < 2:
        for row in rows:
            _tile(other[row], first[row], layers, blocks, spline, inverse, value[row], logabsdet[row])
        return value, logabsdet

    def one(row: slice) -> None:
        with torch.no_grad():
            _tile(other[row], first[row], layers, blocks, spline, inverse, value[row], logabsdet[row])

    with _pool(threads) as pool:
        for _ in pool.map(one, rows):
            pass
    return value, logabsdet


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch has one thread; torch's own number is as before afterwards."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def _tile(
    other: Tensor, first: Tensor, layers: Layers, blocks: tuple[Block, ...], spline: Spline, inverse: bool,
    value: Tensor, logabsdet: Tensor,
) -> None:  # fmt: skip
    """Fill `value` and `logabsdet` for one tile of showers."""
    from caloforge.generative.walk_kernel import triangle

    n, per = len(other), spline.parameters
    hidden = [other.new_empty(n, weight.shape[0]) for weight in layers.weights]
    _start(hidden, first, layers, [before for before, _ in blocks[0].known])
    numbers = [np.float32(v) for v in (spline.tail_bound, spline.min_bin, spline.min_derivative, MAX_DERIVATIVE)]
    arrays = other.numpy(), value.numpy(), logabsdet.numpy()
    for block in blocks:
        rows = slice(block.begin * per, block.end * per)
        before, after = block.known[-1]
        bias = layers.output_bias[rows]
        if before:
            raw = torch.addmm(bias, hidden[-1][:, :before], layers.output_weight[rows, :before].t())
        else:
            raw = bias.expand(n, -1).contiguous()
        # A copy, so that the kernel sees the weights of this block alone.
        own = layers.output_weight[rows, before:after].contiguous()
        units, diagonal = _units(value, first, layers, hidden, block)
        announced(triangle)(
            arrays[0], block.begin, raw.numpy(), units.numpy(), own.numpy(), diagonal.numpy()[None],
            block.table, block.stops, block.inside, block.last_row,
            spline.bins, inverse, *numbers, arrays[1], arrays[2],
        )  # fmt: skip
        column = 0
        for layer, (start, stop) in zip(hidden, block.known, strict=True):
            layer[:, start:stop] = units[:, column : column + stop - start]
            column += stop - start


def _start(hidden: list[Tensor], first: Tensor, layers: Layers, counts: list[int]) -> None:
    """Units that depend on no feature, but on the context."""
    inputs, known = first, 0
    for number, (layer, count) in enumerate(zip(hidden, counts, strict=True)):
        if number == 0:
            layer[:, :count] = first[:, :count].relu()
        elif count:
            weight = layers.weights[number][:count, :known]
            layer[:, :count] = torch.addmm(layers.biases[number][:count], inputs[:, :known], weight.t()).relu_()
        inputs, known = layer, count


def _units(value: Tensor, first: Tensor, layers: Layers, hidden: list[Tensor], block: Block) -> tuple[Tensor, Tensor]:
    """The block's units (N, U) from all that was known before it, and the weights between its own parts, in one row."""
    parts, diagonals = [], []
    inputs, known, end = value, block.begin, block.end
    for number, (layer, (start, stop)) in enumerate(zip(hidden, block.known, strict=True)):
        weight = layers.weights[number][start:stop]
        base = first[:, start:stop] if number == 0 else layers.biases[number][start:stop].expand(len(value), -1)
        # The kernel finishes the units in place: never the bias itself.
        parts.append(torch.addmm(base, inputs[:, :known], weight[:, :known].t()) if known else base.clone())
        diagonals.append(weight[:, known:end].reshape(-1))
        inputs, known, end = layer, start, stop
    together = parts[0].contiguous() if len(parts) == 1 else torch.cat(parts, 1)
    return together, diagonals[0].contiguous() if len(diagonals) == 1 else torch.cat(diagonals)


@_walk.register_fake
def _(other: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(other), other.new_empty(len(other))


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    other, first, weights, biases, degrees, output_weight, output_bias, *ctx.settings = inputs
    ctx.count = len(weights)
    ctx.save_for_backward(other, first, output_weight, output_bias, *weights, *biases, *degrees)


def _backward(ctx: Any, g_value: Tensor, g_logabsdet: Tensor) -> tuple[Any, ...]:
    """Walk again in plain torch, which autograd follows."""
    other, first, output_weight, output_bias, *rest = ctx.saved_tensors
    inverse, *settings = ctx.settings
    n, second = ctx.count, torch.is_grad_enabled()
    with torch.enable_grad():
        leaves = [
            t.view_as(t) if second and t.requires_grad else t.detach().requires_grad_()
            for t in (other, first, output_weight, output_bias, *rest[: 2 * n])
        ]
        weights, biases = leaves[4 : 4 + n], leaves[4 + n :]
        layers = Layers(weights, [torch.zeros_like(biases[0]), *biases[1:]], rest[2 * n :], leaves[2], leaves[3])
        results = plain_walk(leaves[0], leaves[1], layers, Spline(*settings), inverse)
        found = torch.autograd.grad(results, leaves, (g_value, g_logabsdet), allow_unused=True, create_graph=second)
    gradients = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]
    return (
        gradients[0], gradients[1], gradients[4 : 4 + n], gradients[4 + n :], [None] * n, gradients[2], gradients[3],
        *[None] * 5,
    )  # fmt: skip


_walk.register_autograd(_backward, setup_context=_remember)


def fast_walk(
    other: Tensor, first: Tensor | None, layers: Layers, spline: Spline, inverse: bool
) -> tuple[Tensor, Tensor]:
    """The same as `walk.walk` for a spline, by products and a kernel; everything in float32 on the CPU.

    Gradients walk again in plain torch.
    """
    order = order_of(layers.degrees[0])
    if first is not None and order is not None:
        first = first[:, order]
    in_order = layers.sorted()
    bias = in_order.biases[0]
    start = bias.expand(len(other), -1) if first is None else first + bias
    value, logabsdet = _walk(
        other.contiguous(), start.contiguous(), [weight.contiguous() for weight in in_order.weights], in_order.biases,
        in_order.degrees, in_order.output_weight.contiguous(), in_order.output_bias,
        inverse, spline.bins, spline.tail_bound, spline.min_bin, spline.min_derivative,
    )  # fmt: skip
    return value, logabsdet
