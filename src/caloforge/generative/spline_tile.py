"""One tile of splines: LANES elements side by side, each step one loop over them that compiles to vector code.

Knots are in float32, the position within the bin in float64. The plain torch version in `spline.py` is what this is
tested against.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from caloforge.generative.vector_math import ONE, TWO, ZERO, exp, log, softplus

LANES = 128
# fmt: off
(
    AT, X0, X1, Y0, Y1, INDEX, RAW0, RAW1, D0, D1, IMAGE, SLOPE,
    G_X0, G_W, G_Y0, G_H, LARGEST, SUM, START, END, BEFORE, OWN,
) = (LANES * row for row in range(22))
# fmt: on
"""Where the quantities of a tile begin in its float32 scratch of SCRATCH numbers. Fixed places in one array let the
compiler see that they do not overlap; choices are products with 0 or 1, since a conditional store is slow."""
SCRATCH = 22 * LANES


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def width(s, lane):  # type: ignore[no-untyped-def]
    """Width of the bin, in float64, where it is exact: in float32 a bin could reach beyond the next one's start."""
    return np.float64(s[X1 + lane]) - np.float64(s[X0 + lane])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def height(s, lane):  # type: ignore[no-untyped-def]
    """Height of the bin, likewise."""
    return np.float64(s[Y1 + lane]) - np.float64(s[Y0 + lane])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _softmax(rows, first, last, s, lanes):  # type: ignore[no-untyped-def]
    """Softmax over the rows first..last of a tile, in place, for every lane."""
    for lane in range(lanes):
        s[LARGEST + lane] = rows[first, lane]
        s[SUM + lane] = ZERO
    for row in range(first + 1, last):
        for lane in range(lanes):
            s[LARGEST + lane] = max(rows[row, lane], s[LARGEST + lane])
    for row in range(first, last):
        for lane in range(lanes):
            e = exp(rows[row, lane] - s[LARGEST + lane])
            rows[row, lane] = e
            s[SUM + lane] += e
    for lane in range(lanes):
        s[SUM + lane] = ONE / s[SUM + lane]
    for row in range(first, last):
        for lane in range(lanes):
            rows[row, lane] *= s[SUM + lane]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _knots(rows, first, bins, bound, floor, s, knots, lanes):  # type: ignore[no-untyped-def]
    """Positions of the knots after each bin, from the softmaxed rows from `first` on into the same rows of `knots`."""
    share = TWO * bound * (ONE - np.float32(bins) * floor)
    least = TWO * bound * floor
    for lane in range(lanes):
        s[SUM + lane] = -bound
    for k in range(first, first + bins - 1):
        highest = bound - np.float32(first + bins - 1 - k) * least
        for lane in range(lanes):
            after = s[SUM + lane] + (least + share * rows[k, lane])
            after = highest if after > highest else after
            s[SUM + lane] = after
            knots[k, lane] = after
    for lane in range(lanes):
        knots[first + bins - 1, lane] = bound


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _find(knots, first, bins, bound, s, lanes):  # type: ignore[no-untyped-def]
    """The bin that holds AT of each lane among the knots from row `first` on: INDEX, and START and END."""
    for lane in range(lanes):
        s[START + lane] = -bound
        s[END + lane] = knots[first, lane]
        s[INDEX + lane] = ZERO
    for k in range(1, bins):
        for lane in range(lanes):
            knot, after = knots[first + k - 1, lane], knots[first + k, lane]
            reached = ONE if s[AT + lane] >= knot else ZERO
            s[START + lane] = reached * knot + (ONE - reached) * s[START + lane]
            s[END + lane] = reached * after + (ONE - reached) * s[END + lane]
            s[INDEX + lane] += reached


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _follow(knots, first, bins, bound, s, lanes):  # type: ignore[no-untyped-def]
    """START and END of the bin INDEX among the knots from row `first` on."""
    for lane in range(lanes):
        s[START + lane] = -bound
        s[END + lane] = knots[first, lane]
    for k in range(1, bins):
        number = np.float32(k)
        for lane in range(lanes):
            knot, after = knots[first + k - 1, lane], knots[first + k, lane]
            reached = ONE if s[INDEX + lane] >= number else ZERO
            s[START + lane] = reached * knot + (ONE - reached) * s[START + lane]
            s[END + lane] = reached * after + (ONE - reached) * s[END + lane]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _keep(vertical, s, lanes):  # type: ignore[no-untyped-def]
    """START and END become Y0 and Y1 where `vertical`, else X0 and X1."""
    if vertical:
        for lane in range(lanes):
            s[Y0 + lane] = s[START + lane]
            s[Y1 + lane] = s[END + lane]
    else:
        for lane in range(lanes):
            s[X0 + lane] = s[START + lane]
            s[X1 + lane] = s[END + lane]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _derivatives(rows, bins, least, most, s, lanes):  # type: ignore[no-untyped-def]
    """RAW0, RAW1: raw slopes at the bin's ends (zero at the ends of the interval); D0, D1: the slopes."""
    for lane in range(lanes):
        s[RAW0 + lane] = ZERO
        s[RAW1 + lane] = ZERO
    for k in range(bins - 1):
        before, after = np.float32(k), np.float32(k + 1)
        for lane in range(lanes):
            value, index = rows[2 * bins + k, lane], s[INDEX + lane]
            s[RAW0 + lane] += value if index == after else ZERO
            s[RAW1 + lane] += value if index == before else ZERO
    last = np.float32(bins - 1)
    for lane in range(lanes):
        d = softplus(s[RAW0 + lane]) + least
        d = most if d > most else d
        s[D0 + lane] = d if s[INDEX + lane] > ZERO else ONE
    for lane in range(lanes):
        d = softplus(s[RAW1 + lane]) + least
        d = most if d > most else d
        s[D1 + lane] = d if s[INDEX + lane] < last else ONE


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _place(s, theta, lanes):  # type: ignore[no-untyped-def]
    """Position of AT within its bin, [0, 1], where AT is on the x side."""
    for lane in range(lanes):
        t = (np.float64(s[AT + lane]) - np.float64(s[X0 + lane])) / (
            np.float64(s[X1 + lane]) - np.float64(s[X0 + lane])
        )
        t = 0.0 if t < 0.0 else t
        theta[lane] = 1.0 if t > 1.0 else t


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _solve(s, theta, lanes):  # type: ignore[no-untyped-def]
    """Position within the bin, [0, 1], of the x whose y is AT: the root without cancellation, and one Newton step."""
    for lane in range(lanes):
        h = np.float64(s[Y1 + lane]) - np.float64(s[Y0 + lane])
        delta = h / width(s, lane)
        d0, d1 = np.float64(s[D0 + lane]), np.float64(s[D1 + lane])
        bend = d0 + d1 - 2.0 * delta
        xi = (np.float64(s[AT + lane]) - np.float64(s[Y0 + lane])) / h
        xi = 0.0 if xi < 0.0 else xi
        xi = 1.0 if xi > 1.0 else xi
        qa, qb, qc = xi * bend + delta - d0, d0 - xi * bend, delta * xi
        discriminant = qb * qb + 4.0 * qa * qc
        q = abs(qb) + math.sqrt(discriminant if discriminant > 0.0 else 0.0)
        over = q if qb >= 0.0 else 2.0 * qa
        over = over if over > 1e-300 else 1e-300
        t = (2.0 * qc if qb >= 0.0 else q) / over
        t = 1.0 if t > 1.0 else t
        c = t * (1.0 - t)
        den = delta * (1.0 - 2.0 * c) + (d0 + d1) * c
        num = d1 * t * t + 2.0 * delta * c + d0 * (1.0 - t) * (1.0 - t)
        t -= (delta * t * t + d0 * c - xi * den) * den / (delta * num)
        t = 0.0 if t < 0.0 else t
        theta[lane] = 1.0 if t > 1.0 else t


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def tile(rows, bins, inverse, bound, floor, least, most, s, theta, knots, lanes):  # type: ignore[no-untyped-def]
    """From raw parameters (3K-1, LANES) and AT to everything about the bin: `rows` become shares of the interval."""
    _softmax(rows, 0, bins, s, lanes)
    _softmax(rows, bins, 2 * bins, s, lanes)
    _knots(rows, 0, bins, bound, floor, s, knots, lanes)
    _knots(rows, bins, bins, bound, floor, s, knots, lanes)
    _find(knots, bins if inverse else 0, bins, bound, s, lanes)
    _keep(inverse, s, lanes)
    _follow(knots, 0 if inverse else bins, bins, bound, s, lanes)
    _keep(not inverse, s, lanes)
    _derivatives(rows, bins, least, most, s, lanes)
    if inverse:
        _solve(s, theta, lanes)
    else:
        _place(s, theta, lanes)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def image(inverse, bound, s, theta, lanes):  # type: ignore[no-untyped-def]
    """IMAGE: the spline's value; SLOPE: log of its derivative, of the inverse function where `inverse`."""
    for lane in range(lanes):
        w, h = width(s, lane), height(s, lane)
        d0, d1, delta, t = np.float64(s[D0 + lane]), np.float64(s[D1 + lane]), h / w, theta[lane]
        rest = 1.0 - t
        c = t * rest
        den = delta * (1.0 - 2.0 * c) + (d0 + d1) * c
        num = d1 * t * t + 2.0 * delta * c + d0 * rest * rest
        u = (delta * t * t + d0 * c) / den
        value = np.float64(s[X0 + lane]) + t * w if inverse else np.float64(s[Y0 + lane]) + u * h
        value = -bound if value < -bound else value
        s[IMAGE + lane] = np.float32(bound if value > bound else value)
        s[SLOPE + lane] = np.float32(num * (delta / den) * (delta / den))
    for lane in range(lanes):
        log_slope = log(s[SLOPE + lane])
        s[SLOPE + lane] = -log_slope if inverse else log_slope
