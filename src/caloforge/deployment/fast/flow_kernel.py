"""One block of a spline flow over packed weights, from z to x: a dense pass, or a walk over the features.

Buffers hold a shower in a row: its context first, then its features. In a dense pass, WIDTH features of up to six
showers make a tile of splines; parameter after parameter, so that the products write the tile as the splines read it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from caloforge.deployment.fast.activation_kernel import RELU, activate
from caloforge.deployment.fast.mlp_kernel import dense
from caloforge.deployment.fast.product_kernel import ROWS, WIDTH, product
from caloforge.generative.spline_tile import AT, IMAGE, LANES, SCRATCH, X0, X1, tile

SLOT = LANES // WIDTH
"""Pieces of WIDTH lanes in a tile of splines."""


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _place_back(bound, s, theta, lanes):  # type: ignore[no-untyped-def]
    """IMAGE: x of each lane, from the position within its bin."""
    for lane in range(lanes):
        x0 = np.float64(s[X0 + lane])
        value = x0 + theta[lane] * (np.float64(s[X1 + lane]) - x0)
        value = -bound if value < -bound else value
        s[IMAGE + lane] = np.float32(bound if value > bound else value)


@njit(nogil=True, cache=True, error_model="numpy")
def _splines(rows, bins, limits, s, theta, knots, lanes):  # type: ignore[no-untyped-def]
    """IMAGE of every lane from AT and the raw parameters (3K-1, LANES); limits: bound, floor, least and most slope."""
    tile(rows, bins, True, limits[0], limits[1], limits[2], limits[3], s, theta, knots, lanes)
    _place_back(limits[0], s, theta, lanes)


@njit(nogil=True, cache=True, error_model="numpy")
def _within(x, bound):  # type: ignore[no-untyped-def]
    x = -bound if x < -bound else x
    return bound if x > bound else x


@njit(nogil=True, cache=True, error_model="numpy")
def dense_block(  # type: ignore[no-untyped-def]
    value, n, context, numbers, panels, layers, first, place, bins, limits, even, odd, fresh
):  # fmt: skip
    """fresh[:, context + place[d]] = S^-1(value[:, context + d]; MADE's parameters), for n showers.

    value, fresh (., context + D): features after their context. layers (n, 2): first panel and panel after the last of
    the hidden layers. first: first panel of the outputs, 3K-1 for each WIDTH features. even, odd: hidden workspace.
    """
    stride, wide, weights = value.shape[1], even.shape[1], numbers.ctypes.data
    features, per = place.shape[0], 3 * bins - 1
    rows, knots = np.zeros((per, LANES), np.float32), np.zeros((2 * bins, LANES), np.float32)
    s, theta = np.zeros(SCRATCH, np.float32), np.zeros(LANES, np.float64)
    at, at_stride = value.ctypes.data, stride
    for i in range(layers.shape[0]):
        target = even.ctypes.data if i % 2 == 0 else odd.ctypes.data
        dense(
            at, at_stride, n, weights, panels, layers[i, 0], layers[i, 1], (layers[i, 1] - layers[i, 0]) * WIDTH,
            RELU, np.float32(0), target, wide, rows,
        )  # fmt: skip
        at, at_stride = target, wide
    groups = (features + WIDTH - 1) // WIDTH
    most = min(ROWS, SLOT)
    blocks = (n + most - 1) // most
    together = max(1, SLOT // min(n, most)) if blocks == 1 else 1
    for group in range(0, groups, together):
        stop = min(group + together, groups)
        for block in range(blocks):
            row = block * n // blocks
            count = (block + 1) * n // blocks - row
            lanes = count * WIDTH * (stop - group)
            for g in range(group, stop):
                for p in range(per):
                    panel = first + g * per + p
                    product(
                        count, at + 4 * row * wide, wide, weights + 4 * panels[panel, 0], panels[panel, 1],
                        weights + 4 * panels[panel, 2],
                        rows.ctypes.data + 4 * (p * LANES + (g - group) * count * WIDTH), WIDTH,
                    )  # fmt: skip
                for r in range(count):
                    lane = ((g - group) * count + r) * WIDTH
                    for j in range(WIDTH):
                        d = min(g * WIDTH + j, features - 1)
                        s[AT + lane + j] = _within(value[row + r, context + d], limits[0])
            _splines(rows, bins, limits, s, theta, knots, lanes)
            for g in range(group, stop):
                for r in range(count):
                    lane = ((g - group) * count + r) * WIDTH
                    for j in range(min(WIDTH, features - g * WIDTH)):
                        d = g * WIDTH + j
                        x = value[row + r, context + d]
                        y = s[IMAGE + lane + j] if abs(x) <= limits[0] else x
                        fresh[row + r, context + place[d]] = y


@njit(nogil=True, cache=True, error_model="numpy")
def walk_block(  # type: ignore[no-untyped-def]
    value, n, context, numbers, panels, layers, ready, first, place, bins, limits, even, odd, made, fresh
):  # fmt: skip
    """fresh[:, context + place[d]] = S^-1(value[:, context + d]; MADE's parameters from what was found before d).

    As `dense_block`, but MADE reads the result. ready (layers, D, 2): panels of each hidden layer with units that
    feature d waits for and feature d - 1 does not. first: of the outputs, the same number of panels for each feature.
    even, odd (., widest hidden layer times layers): units of all layers, one after the other, in `even`. made as value:
    workspace. n is LANES at most.
    """
    stride, wide, weights = value.shape[1], even.shape[1], numbers.ctypes.data
    features, per, count = place.shape[0], 3 * bins - 1, layers.shape[0]
    each = (per + WIDTH - 1) // WIDTH
    rows, knots = np.zeros((max(per, ROWS), LANES), np.float32), np.zeros((2 * bins, LANES), np.float32)
    s, theta = np.zeros(SCRATCH, np.float32), np.zeros(LANES, np.float64)
    blocks = (n + ROWS - 1) // ROWS
    for r in range(n):
        for c in range(context):
            made[r, c] = value[r, c]
        for d in range(features):
            made[r, context + d] = np.float32(0)
        for h in range(wide):
            even[r, h] = np.float32(0)
    for d in range(features):
        at, at_stride, begin = made.ctypes.data, stride, 0
        for i in range(count):
            base = layers[i, 0]
            target = even.ctypes.data + 4 * begin * WIDTH
            for block in range(blocks):
                row = block * n // blocks
                many = (block + 1) * n // blocks - row
                for p in range(ready[i, d, 0], ready[i, d, 1]):
                    place_of = target + 4 * (row * wide + (p - base) * WIDTH)
                    product(
                        many, at + 4 * row * at_stride, at_stride, weights + 4 * panels[p, 0], panels[p, 1],
                        weights + 4 * panels[p, 2], place_of, wide,
                    )  # fmt: skip
                    for r in range(many):
                        activate(RELU, np.float32(0), place_of + 4 * r * wide, WIDTH)
            at, at_stride = target, wide
            begin += layers[i, 1] - base
        for block in range(blocks):
            row = block * n // blocks
            many = (block + 1) * n // blocks - row
            for e in range(each):
                p = first + d * each + e
                product(
                    many, at + 4 * row * wide, wide, weights + 4 * panels[p, 0], panels[p, 1],
                    weights + 4 * panels[p, 2], odd.ctypes.data + 4 * e * WIDTH, each * WIDTH,
                )  # fmt: skip
            for p in range(per):
                for r in range(many):
                    rows[p, row + r] = odd[r, p]
        for r in range(n):
            s[AT + r] = _within(value[r, context + d], limits[0])
        _splines(rows, bins, limits, s, theta, knots, n)
        for r in range(n):
            x = value[r, context + d]
            y = s[IMAGE + r] if abs(x) <= limits[0] else x
            made[r, context + d] = y
            fresh[r, context + place[d]] = y
