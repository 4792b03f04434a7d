"""Dense layers over packed weights: showers in chunks whose activations stay in the cache, layer after layer."""

from __future__ import annotations

from numba import carray, njit

from caloforge.deployment.fast.activation_kernel import IDENTITY, activate
from caloforge.deployment.fast.product_kernel import ROWS, WIDTH, numbers_at, product, soon_written

LINE = 16
"""Numbers in a cache line."""

GROUP = 8
"""Panels that all rows of a chunk meet before the next ones: their weights stay in the cache meanwhile."""


@njit(nogil=True, cache=True, error_model="numpy")
def dense(  # type: ignore[no-untyped-def]
    x, x_stride, n, numbers, panels, first, last, outputs, activation, slope, out, out_stride, tile
):  # fmt: skip
    """One layer: n rows of `outputs` numbers at the address `out` from n rows at the address x.

    numbers: address of those of `Panels`, of whose panels first ... last - 1 are the layer. The strides are numbers
    from one row to the next. tile (ROWS, WIDTH): workspace for a last panel that is wider than the layer.
    """
    blocks = (n + ROWS - 1) // ROWS
    at = tile.ctypes.data
    for start in range(first, last, GROUP):
        stop = min(start + GROUP, last)
        column = (start - first) * WIDTH
        whole = min(stop, first + outputs // WIDTH)
        for block in range(blocks):
            row = block * n // blocks
            rows = (block + 1) * n // blocks - row
            source, target = x + 4 * row * x_stride, out + 4 * (row * out_stride + column)
            if block + 1 < blocks:
                _announce(target + 4 * rows * out_stride, out_stride, (whole - start) * WIDTH)
            for p in range(start, whole):
                product(
                    rows, source, x_stride, numbers + 4 * panels[p, 0], panels[p, 1], numbers + 4 * panels[p, 2],
                    target + 4 * (p - start) * WIDTH, out_stride,
                )  # fmt: skip
            if activation != IDENTITY:
                for r in range(rows):
                    activate(activation, slope, target + 4 * r * out_stride, (whole - start) * WIDTH)
            if whole < stop:
                rest = outputs % WIDTH
                product(
                    rows, source, x_stride, numbers + 4 * panels[whole, 0], panels[whole, 1],
                    numbers + 4 * panels[whole, 2], at, WIDTH,
                )  # fmt: skip
                activate(activation, slope, at, rows * WIDTH)
                _copy(tile, rows, rest, target + 4 * (whole - start) * WIDTH, out_stride)


@njit(nogil=True, cache=True, error_model="numpy")
def _announce(out, out_stride, columns):  # type: ignore[no-untyped-def]
    """Call the places of the next results into the cache."""
    for r in range(ROWS):
        for c in range(0, columns, LINE):
            soon_written(out + 4 * (r * out_stride + c))


@njit(nogil=True, cache=True, error_model="numpy")
def _copy(tile, rows, columns, out, out_stride):  # type: ignore[no-untyped-def]
    """The first columns of a tile to rows at an address."""
    target = carray(numbers_at(out), (rows - 1) * out_stride + columns)
    for r in range(rows):
        for c in range(columns):
            target[r * out_stride + c] = tile[r, c]


@njit(nogil=True, cache=True, error_model="numpy")
def perceptron(x, out, numbers, panels, layers, slopes, chunk, even, odd, tile):  # type: ignore[no-untyped-def]
    """out (N, outputs) of x (N, features), in chunks of `chunk` rows.

    layers (n, 4): first panel, panel after the last, outputs, activation of each; slopes (n,). even, odd (chunk, widest
    hidden layer) and tile (ROWS, WIDTH): workspace.
    """
    count, wide = layers.shape[0], even.shape[1]
    weights, first_hidden, second_hidden = numbers.ctypes.data, even.ctypes.data, odd.ctypes.data
    for first in range(0, x.shape[0], chunk):
        n = min(chunk, x.shape[0] - first)
        source, source_stride = x.ctypes.data + 4 * first * x.shape[1], x.shape[1]
        for i in range(count):
            target, target_stride = first_hidden if i % 2 == 0 else second_hidden, wide
            outputs = (layers[i, 1] - layers[i, 0]) * WIDTH
            if i == count - 1:
                target, target_stride = out.ctypes.data + 4 * first * out.shape[1], out.shape[1]
                outputs = layers[i, 2]
            dense(
                source, source_stride, n, weights, panels, layers[i, 0], layers[i, 1], outputs, layers[i, 3],
                slopes[i], target, target_stride, tile,
            )  # fmt: skip
            source, source_stride = target, target_stride
