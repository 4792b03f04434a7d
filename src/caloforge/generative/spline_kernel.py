"""The spline as one pass over memory on the CPU: forward, inverse, and an analytic gradient that recomputes its knots.

Tiles of showers are transposed into a small buffer, so that the exponentials run as vector code; a polynomial stands
for exp, which is scalar in the mathematics library. The plain torch version in `spline.py` is what this is tested
against.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LANES = 64
LOG2E = np.float32(1.44269504)
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(-2.12194440e-4)
LOWEST, HIGHEST, HALF = np.float32(-87.0), np.float32(88.0), np.float32(0.5)
C0, C1, C2 = np.float32(1.0), np.float32(1.0), np.float32(0.5)
C3, C4, C5, C6 = (np.float32(1 / math.factorial(k)) for k in (3, 4, 5, 6))
ZERO = np.float32(0.0)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _softmax(rows, first, last, largest, total, exponent):  # type: ignore[no-untyped-def]
    """Softmax over the rows first..last of a tile, in place, for every lane."""
    scale = exponent.view(np.float32)
    for lane in range(LANES):
        largest[lane] = rows[first, lane]
        total[lane] = ZERO
    for row in range(first + 1, last):
        for lane in range(LANES):
            largest[lane] = max(largest[lane], rows[row, lane])
    for row in range(first, last):
        for lane in range(LANES):
            x = min(max(rows[row, lane] - largest[lane], LOWEST), HIGHEST)
            k = np.floor(x * LOG2E + HALF)
            t = x - k * LN2_HIGH - k * LN2_LOW
            rows[row, lane] = ((((((C6 * t + C5) * t + C4) * t + C3) * t + C2) * t + C1) * t) + C0
            exponent[lane] = (np.int32(k) + np.int32(127)) << np.int32(23)
        for lane in range(LANES):
            rows[row, lane] *= scale[lane]
            total[lane] += rows[row, lane]
    for lane in range(LANES):
        total[lane] = np.float32(1.0) / total[lane]
    for row in range(first, last):
        for lane in range(LANES):
            rows[row, lane] *= total[lane]


@njit(nogil=True, cache=True, error_model="numpy")
def _softplus(raw):  # type: ignore[no-untyped-def]
    return max(raw, 0.0) + math.log1p(math.exp(-abs(raw)))


@njit(nogil=True, cache=True, error_model="numpy")
def _sigmoid(raw):  # type: ignore[no-untyped-def]
    if raw >= 0:
        return 1.0 / (1.0 + math.exp(-raw))
    grown = math.exp(raw)
    return grown / (1.0 + grown)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _find(rows, at, first, bins, bound, floor, start, size, index):  # type: ignore[no-untyped-def]
    """The bin that holds `at` of each lane among the softmaxed rows: its start, size and index."""
    share = np.float32(2.0) * bound * (np.float32(1.0) - np.float32(bins) * floor)
    least = np.float32(2.0) * bound * floor
    position = np.empty(LANES, np.float32)
    for lane in range(LANES):
        position[lane] = -bound
        index[lane] = 0
    for k in range(bins):
        for lane in range(LANES):
            following = bound if k == bins - 1 else position[lane] + (least + share * rows[first + k, lane])
            inside = at[lane] >= position[lane] or k == 0
            start[lane] = position[lane] if inside else start[lane]
            size[lane] = following - position[lane] if inside else size[lane]
            index[lane] = np.int32(k) if inside else index[lane]
            position[lane] = following


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _follow(rows, index, first, bins, bound, floor, start, size):  # type: ignore[no-untyped-def]
    """Start and size of the bin of known index among the softmaxed rows."""
    share = np.float32(2.0) * bound * (np.float32(1.0) - np.float32(bins) * floor)
    least = np.float32(2.0) * bound * floor
    position = np.empty(LANES, np.float32)
    for lane in range(LANES):
        position[lane] = -bound
    for k in range(bins):
        for lane in range(LANES):
            following = bound if k == bins - 1 else position[lane] + (least + share * rows[first + k, lane])
            reached = index[lane] >= k
            start[lane] = position[lane] if reached else start[lane]
            size[lane] = following - position[lane] if reached else size[lane]
            position[lane] = following


@njit(nogil=True, cache=True, error_model="numpy")
def spline_tiles(x, raw, inverse, bound, floor, least_slope, most_slope, y, logabsdet, with_gradient, gy, gl, gx, graw):  # type: ignore[no-untyped-def]
    """y and log |dy/dx| (M,) of x (M,) and raw (M, 3K-1) in float32; with `with_gradient` instead the gradients gx and
    graw of sum(gy y + gl logabsdet)."""
    bins = (raw.shape[1] + 1) // 3
    rows = np.zeros((3 * bins - 1, LANES), np.float32)
    at = np.zeros(LANES, np.float32)
    largest, total = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    exponent, index = np.empty(LANES, np.int32), np.zeros(LANES, np.int32)
    x0, width = np.zeros(LANES, np.float32), np.ones(LANES, np.float32)
    y0, height = np.zeros(LANES, np.float32), np.ones(LANES, np.float32)
    share = 2.0 * bound * (1.0 - bins * floor)
    for begin in range(0, x.shape[0], LANES):
        count = min(LANES, x.shape[0] - begin)
        for lane in range(count):
            at[lane] = min(max(x[begin + lane], -bound), bound)
            for row in range(3 * bins - 1):
                rows[row, lane] = raw[begin + lane, row]
        _softmax(rows, 0, bins, largest, total, exponent)
        _softmax(rows, bins, 2 * bins, largest, total, exponent)
        if inverse:
            _find(rows, at, bins, bins, bound, floor, y0, height, index)
            _follow(rows, index, 0, bins, bound, floor, x0, width)
        else:
            _find(rows, at, 0, bins, bound, floor, x0, width, index)
            _follow(rows, index, bins, bins, bound, floor, y0, height)
        for lane in range(count):
            row = begin + lane
            value = x[row]
            if not (abs(value) <= bound):
                if with_gradient:
                    gx[row] = gy[row]
                    for k in range(3 * bins - 1):
                        graw[row, k] = ZERO
                else:
                    y[row] = value
                    logabsdet[row] = ZERO
                continue
            b = index[lane]
            w, h = float(width[lane]), float(height[lane])
            delta = h / w
            raw0 = float(rows[2 * bins + b - 1, lane]) if b > 0 else 0.0
            raw1 = float(rows[2 * bins + b, lane]) if b < bins - 1 else 0.0
            d0 = min(_softplus(raw0) + least_slope, most_slope) if b > 0 else 1.0
            d1 = min(_softplus(raw1) + least_slope, most_slope) if b < bins - 1 else 1.0
            bend = d0 + d1 - 2.0 * delta
            if inverse:
                xi = (float(at[lane]) - float(y0[lane])) / h
                xi = min(max(xi, 0.0), 1.0)
                qa, qb, qc = xi * bend + delta - d0, d0 - xi * bend, delta * xi
                q = abs(qb) + math.sqrt(max(qb * qb + 4.0 * qa * qc, 0.0))
                theta = 2.0 * qc / max(q, 1e-300) if qb >= 0 else q / max(2.0 * qa, 1e-300)
                theta = min(max(theta, 0.0), 1.0)
                c = theta * (1.0 - theta)
                den = delta + bend * c
                num = d1 * theta * theta + 2.0 * delta * c + d0 * (1.0 - theta) * (1.0 - theta)
                risen = (delta * theta * theta + d0 * c) / den
                theta = min(max(theta - (risen - xi) * den * den / (delta * num), 0.0), 1.0)
            else:
                theta = min(max((float(at[lane]) - float(x0[lane])) / w, 0.0), 1.0)
            c = theta * (1.0 - theta)
            rest = 1.0 - theta
            den = delta * (1.0 - 2.0 * c) + (d0 + d1) * c
            num = d1 * theta * theta + 2.0 * delta * c + d0 * rest * rest
            u = (delta * theta * theta + d0 * c) / den
            if not with_gradient:
                log_slope = 2.0 * math.log(delta / den) + math.log(num)
                image = float(x0[lane]) + theta * w if inverse else float(y0[lane]) + h * u
                y[row] = min(max(image, -bound), bound)
                logabsdet[row] = -log_slope if inverse else log_slope
                continue
            turn = 1.0 - 2.0 * theta
            den_t = bend * turn
            u_t = (2.0 * delta * theta + d0 * turn - u * den_t) / den
            l_t = -2.0 * den_t / den + (2.0 * d1 * theta + 2.0 * delta * turn - 2.0 * d0 * rest) / num
            out, gain = float(gy[row]), float(gl[row])
            if inverse:
                # y(x(v, p), p) = v and the log-determinant is -l(x(v, p), p): the gradient turns into a forward one
                gain = -gain
                slope = h * u_t / w
                out = -(out + gain * l_t / w) / slope
                gx[row] = -out
            g_t = out * h * u_t + gain * l_t
            g_delta = out * h * (theta * theta - u * (1.0 - 2.0 * c)) / den
            g_delta += gain * (2.0 / delta - 2.0 * (1.0 - 2.0 * c) / den + 2.0 * c / num)
            g_d0 = out * h * (c - u * c) / den + gain * (rest * rest / num - 2.0 * c / den)
            g_d1 = -out * h * u * c / den + gain * (theta * theta / num - 2.0 * c / den)
            if not inverse:
                gx[row] = g_t / w
            g_x0 = -g_t / w * share
            g_w = (-g_t * theta / w - g_delta * delta / w) * share
            g_y0 = out * share
            g_h = (out * u + g_delta / w) * share
            mean_w, mean_h = g_w * rows[b, lane], g_h * rows[bins + b, lane]
            for k in range(b):
                mean_w += g_x0 * rows[k, lane]
                mean_h += g_y0 * rows[bins + k, lane]
            for k in range(bins):
                own_w = g_x0 if k < b else (g_w if k == b else 0.0)
                own_h = g_y0 if k < b else (g_h if k == b else 0.0)
                graw[row, k] = rows[k, lane] * (own_w - mean_w)
                graw[row, bins + k] = rows[bins + k, lane] * (own_h - mean_h)
            for k in range(2 * bins, 3 * bins - 1):
                graw[row, k] = ZERO
            if b > 0 and d0 < most_slope:
                graw[row, 2 * bins + b - 1] = g_d0 * _sigmoid(raw0)
            if b < bins - 1 and d1 < most_slope:
                graw[row, 2 * bins + b] = g_d1 * _sigmoid(raw1)
