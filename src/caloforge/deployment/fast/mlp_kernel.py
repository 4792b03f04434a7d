"""Dense layers over packed weights: showers in chunks whose activations stay in the cache, layer after layer."""

from __future__ import annotations

import numpy as np
from numba import njit

from caloforge.deployment.fast.activation_kernel import activate
from caloforge.deployment.fast.product_kernel import ROWS, WIDTH, product

GROUP = 8
"""Panels that all rows of a chunk meet before the next ones: their weights stay in the cache meanwhile."""


@njit(nogil=True, cache=True, error_model="numpy")
def dense(  # type: ignore[no-untyped-def]
    x, x_first, n, numbers, panels, first, last, outputs, activation, slope, tile, out, out_first
):  # fmt: skip
    """One layer: rows out_first ... of out (., outputs at least) from n rows of x (., inputs) from x_first on.

    numbers, panels: of `Panels`, whose panels first ... last - 1 are the layer. tile (ROWS, GROUP WIDTH): workspace.
    """
    stride, tile_stride = x.shape[1], tile.shape[1]
    weights = numbers.ctypes.data
    blocks = (n + ROWS - 1) // ROWS
    for start in range(first, last, GROUP):
        stop = min(start + GROUP, last)
        column = (start - first) * WIDTH
        columns = min(outputs - column, (stop - start) * WIDTH)
        for block in range(blocks):
            row = block * n // blocks
            rows = (block + 1) * n // blocks - row
            at = x.ctypes.data + 4 * (x_first + row) * stride
            for p in range(start, stop):
                product(
                    rows, at, stride, weights + 4 * panels[p, 0], panels[p, 1], weights + 4 * panels[p, 2],
                    tile.ctypes.data + 4 * (p - start) * WIDTH, tile_stride,
                )  # fmt: skip
            activate(activation, slope, tile, rows, columns, out, out_first + row, column)


@njit(nogil=True, cache=True, error_model="numpy")
def perceptron(x, out, numbers, panels, layers, slopes, chunk, even, odd, tile):  # type: ignore[no-untyped-def]
    """out (N, outputs) of x (N, features), in chunks of `chunk` rows.

    layers (n, 4): first panel, panel after the last, outputs, activation of each; slopes (n,). even, odd (chunk, widest
    hidden layer) and tile (ROWS, GROUP WIDTH): workspace.
    """
    count = layers.shape[0]
    for first in range(0, x.shape[0], chunk):
        n = min(chunk, x.shape[0] - first)
        for i in range(count):
            begin, end, outputs, activation = layers[i, 0], layers[i, 1], layers[i, 2], layers[i, 3]
            source, source_first = (x, first) if i == 0 else (even if i % 2 == 1 else odd, 0)
            target, target_first = (out, first) if i == count - 1 else (even if i % 2 == 0 else odd, 0)
            dense(
                source, source_first, n, numbers, panels, begin, end, outputs, activation, slopes[i], tile,
                target, target_first,
            )  # fmt: skip
