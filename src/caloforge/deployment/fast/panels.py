"""Weights in the order in which the products read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from caloforge.deployment.fast.product_kernel import WIDTH

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_LINE = 16
"""Numbers in a cache line."""


def aligned(shape: tuple[int, ...]) -> Floats:
    """Zeros of this shape that begin at a cache line."""
    count = int(np.prod(shape))
    memory = np.zeros(count + _LINE, np.float32)
    start = (-memory.ctypes.data % (4 * _LINE)) // 4
    return memory[start : start + count].reshape(shape)


@dataclass
class Panels:
    """Panels of WIDTH outputs each, one after the other, and their biases.

    A panel holds the weights of the first `depth` inputs only: what lies behind is known to be zero.
    """

    weights: list[Floats] = field(default_factory=list)
    biases: list[Floats] = field(default_factory=list)

    def add(self, weight: Floats, bias: Floats, depth: int | None = None) -> int:
        """Append outputs (n, in) with biases (n,), n up to WIDTH; returns the panel's number."""
        outputs, inputs = weight.shape
        depth = inputs if depth is None else depth
        panel, padded = np.zeros((depth, WIDTH), np.float32), np.zeros(WIDTH, np.float32)
        panel[:, :outputs], padded[:outputs] = weight[:, :depth].T, bias
        self.weights.append(panel)
        self.biases.append(padded)
        return len(self.weights) - 1

    def add_layer(self, weight: Floats, bias: Floats) -> tuple[int, int]:
        """Append a layer (out, in) with biases (out,), each panel as deep as its weights reach; gives the numbers of
        the first panel and after the last one."""
        first = len(self.weights)
        for start in range(0, len(weight), WIDTH):
            part = weight[start : start + WIDTH]
            self.add(part, bias[start : start + WIDTH], reach(part))
        return first, len(self.weights)

    @cached_property
    def _places(self) -> list[int]:
        sizes = [*(len(panel) * WIDTH for panel in self.weights), len(self.biases) * WIDTH]
        return [0, *accumulate(sizes)]

    def numbers(self) -> Floats:
        """All panels, then all biases, in one array."""
        together = aligned((self._places[-1],))
        for number, panel in enumerate([*self.weights, np.stack(self.biases)]):
            together[self._places[number] : self._places[number + 1]] = panel.ravel()
        return together

    def table(self) -> Integers:
        """For each panel, where it begins in `numbers`, how many inputs it has, and where its biases begin: (P, 3)."""
        biases = self._places[-2]
        rows = [(self._places[i], len(panel), biases + i * WIDTH) for i, panel in enumerate(self.weights)]
        return np.array(rows, dtype=np.int64)


def reach(weight: Floats) -> int:
    """Inputs up to the last one that any output (n, in) of these weights depends on; one at least."""
    used = np.flatnonzero(weight.any(0))
    return int(used[-1]) + 1 if len(used) else 1
