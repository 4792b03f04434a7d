"""The part of a walk that is no matrix product: the triangle inside one block of features, for float32 splines."""

from __future__ import annotations

import numpy as np
from numba import njit

from caloforge.generative.spline_tile import AT, IMAGE, LANES, SCRATCH, SLOPE, image, tile
from caloforge.generative.vector_math import ZERO

FEW = 8
"""Below this many showers in a tile a product runs over the units, above over the showers."""


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_products(target, row, weights, line, column, sources, start, count, lanes):  # type: ignore[no-untyped-def]
    """target[row, lane] += sum over j of weights[line, column + j] sources[start + j, lane], four sources at a time."""
    if lanes < FEW:
        for lane in range(lanes):
            total = target[row, lane]
            for j in range(count):
                total += weights[line, column + j] * sources[start + j, lane]
            target[row, lane] = total
        return
    j = 0
    while j + 4 <= count:
        k, source = column + j, start + j
        w0, w1, w2, w3 = weights[line, k], weights[line, k + 1], weights[line, k + 2], weights[line, k + 3]
        for lane in range(lanes):
            target[row, lane] += (w0 * sources[source, lane] + w1 * sources[source + 1, lane]) + (
                w2 * sources[source + 2, lane] + w3 * sources[source + 3, lane]
            )
        j += 4
    while j < count:
        w0, source = weights[line, column + j], start + j
        for lane in range(lanes):
            target[row, lane] += w0 * sources[source, lane]
        j += 1


@njit(nogil=True, cache=True, error_model="numpy")
def triangle(  # type: ignore[no-untyped-def]
    other, begin, base, units, output, unit_weights, table, stops, inside, last_row,
    bins, inverse, bound, floor, least, most, value, logabsdet,
):  # fmt: skip
    """Walk through the features begin ... begin + B - 1 of every shower, in float32.

    other (N, D): the side to come from. base (N, B (3K-1)): raw parameters without the block's own units. units (N, U):
    the block's units before their ReLU without the block's own features and units; they are finished in place.
    output (B (3K-1), U_last): weights from the block's own units of the last layer to its parameters. table (U, 5):
    row, column in `units`, first source row, sources, and first weight in unit_weights (1, W) of each unit; rows number
    the block's features, then its units. stops (B + 1): units that each feature completes. inside (B): own units of
    the last layer known before each feature; last_row: row of the first of them. value (N, D) and logabsdet (N,) are
    filled and added to.
    """
    features, per = inside.shape[0], 3 * bins - 1
    rows = np.zeros((per, LANES), np.float32)
    knots = np.zeros((2 * bins, LANES), np.float32)
    s, theta = np.zeros(SCRATCH, np.float32), np.zeros(LANES, np.float64)
    nodes = np.zeros((features + table.shape[0], LANES), np.float32)
    for first in range(0, other.shape[0], LANES):
        lanes = min(LANES, other.shape[0] - first)
        for i in range(features):
            d = begin + i
            for lane in range(lanes):
                x = other[first + lane, d]
                x = -bound if x < -bound else x
                s[AT + lane] = bound if x > bound else x
                for p in range(per):
                    rows[p, lane] = base[first + lane, i * per + p]
            if inside[i] > 0:
                for p in range(per):
                    _add_products(rows, p, output, i * per + p, 0, nodes, last_row, inside[i], lanes)
            tile(rows, bins, inverse, bound, floor, least, most, s, theta, knots, lanes)
            image(inverse, bound, s, theta, lanes)
            for lane in range(lanes):
                x = other[first + lane, d]
                within = not (abs(x) > bound)
                y = s[IMAGE + lane] if within else x
                nodes[i, lane] = y
                value[first + lane, d] = y
                logabsdet[first + lane] += s[SLOPE + lane] if within else ZERO
            for t in range(stops[i], stops[i + 1]):
                row, column, source, count, weight = table[t, 0], table[t, 1], table[t, 2], table[t, 3], table[t, 4]
                for lane in range(lanes):
                    nodes[row, lane] = units[first + lane, column]
                _add_products(nodes, row, unit_weights, 0, weight, nodes, source, count, lanes)
                for lane in range(lanes):
                    h = nodes[row, lane]
                    h = ZERO if h < ZERO else h
                    nodes[row, lane] = h
                    units[first + lane, column] = h
