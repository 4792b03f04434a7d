"""The spline as one pass over memory on the CPU: values, and an analytic gradient that recomputes its knots."""

from __future__ import annotations

import numpy as np
from numba import njit

from caloforge.generative.spline_tile import (
    AT,
    BEFORE,
    D0,
    D1,
    G_H,
    G_W,
    G_X0,
    G_Y0,
    IMAGE,
    INDEX,
    LANES,
    OWN,
    RAW0,
    RAW1,
    SCRATCH,
    SLOPE,
    SUM,
    height,
    image,
    tile,
    width,
)  # fmt: skip
from caloforge.generative.vector_math import ZERO, sigmoid


@njit(nogil=True, cache=True, error_model="numpy")
def _load(x, raw, begin, bound, rows, s, lanes):  # type: ignore[no-untyped-def]
    """Turn a tile: AT from x, kept within the bound, and the raw parameters into `rows`."""
    for lane in range(lanes):
        value = x[begin + lane]
        value = -bound if value < -bound else value
        s[AT + lane] = bound if value > bound else value
        for row in range(rows.shape[0]):
            rows[row, lane] = raw[begin + lane, row]


@njit(nogil=True, cache=True, error_model="numpy")
def spline_values(x, raw, inverse, bound, floor, least, most, y, logabsdet):  # type: ignore[no-untyped-def]
    """y and log |dy/dx| (M,) of x (M,) and raw (M, 3K-1) in float32."""
    bins = (raw.shape[1] + 1) // 3
    rows = np.zeros((3 * bins - 1, LANES), np.float32)
    knots = np.zeros((2 * bins, LANES), np.float32)
    s, theta = np.zeros(SCRATCH, np.float32), np.zeros(LANES, np.float64)
    for begin in range(0, x.shape[0], LANES):
        lanes = min(LANES, x.shape[0] - begin)
        _load(x, raw, begin, bound, rows, s, lanes)
        tile(rows, bins, inverse, bound, floor, least, most, s, theta, knots, lanes)
        image(inverse, bound, s, theta, lanes)
        for lane in range(lanes):
            inside = abs(x[begin + lane]) <= bound
            y[begin + lane] = s[IMAGE + lane] if inside else x[begin + lane]
            logabsdet[begin + lane] = s[SLOPE + lane] if inside else ZERO


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _slopes(inverse, bound, share, most, last, s, theta, lanes):  # type: ignore[no-untyped-def]
    """From the gradients IMAGE (of y) and SLOPE (of the log-derivative) to those of the bin and of AT.

    G_X0, G_W, G_Y0, G_H per unit of softmaxed share, RAW0, RAW1 of the raw slopes, AT of the argument.
    """
    for lane in range(lanes):
        w, h = width(s, lane), height(s, lane)
        d0, d1, delta, t = np.float64(s[D0 + lane]), np.float64(s[D1 + lane]), h / w, theta[lane]
        rest, turn = 1.0 - t, 1.0 - 2.0 * t
        c = t * rest
        bend = d0 + d1 - 2.0 * delta
        per_den = 1.0 / (delta * (1.0 - 2.0 * c) + (d0 + d1) * c)
        per_num = 1.0 / (d1 * t * t + 2.0 * delta * c + d0 * rest * rest)
        u = (delta * t * t + d0 * c) * per_den
        den_t = bend * turn
        u_t = (2.0 * delta * t + d0 * turn - u * den_t) * per_den
        l_t = -2.0 * den_t * per_den + (2.0 * d1 * t + 2.0 * delta * turn - 2.0 * d0 * rest) * per_num
        out, gain = np.float64(s[IMAGE + lane]), np.float64(s[SLOPE + lane])
        # y(x(v, p), p) = v, and the log-derivative is -l(x(v, p), p): the inverse's gradient is a forward one.
        turned = -(out - gain * l_t / w) / (h * u_t / w)
        argument = -turned
        gain = -gain if inverse else gain
        out = turned if inverse else out
        g_t = out * h * u_t + gain * l_t
        g_delta = out * h * (t * t - u * (1.0 - 2.0 * c)) * per_den
        g_delta += gain * (2.0 / delta - 2.0 * (1.0 - 2.0 * c) * per_den + 2.0 * c * per_num)
        g_d0 = out * h * (1.0 - u) * c * per_den + gain * (rest * rest * per_num - 2.0 * c * per_den)
        g_d1 = -out * h * u * c * per_den + gain * (t * t * per_num - 2.0 * c * per_den)
        s[G_X0 + lane] = np.float32(-g_t / w * share)
        s[G_W + lane] = np.float32((-g_t * t / w - g_delta * delta / w) * share)
        s[G_Y0 + lane] = np.float32(out * share)
        s[G_H + lane] = np.float32((out * u + g_delta / w) * share)
        s[AT + lane] = np.float32(argument if inverse else g_t / w)
        s[IMAGE + lane] = np.float32(g_d0)
        s[SLOPE + lane] = np.float32(g_d1)
    for lane in range(lanes):
        g = s[IMAGE + lane] * sigmoid(s[RAW0 + lane])
        g = g if s[INDEX + lane] > ZERO else ZERO
        s[RAW0 + lane] = g if s[D0 + lane] < most else ZERO
    for lane in range(lanes):
        g = s[SLOPE + lane] * sigmoid(s[RAW1 + lane])
        g = g if s[INDEX + lane] < last else ZERO
        s[RAW1 + lane] = g if s[D1 + lane] < most else ZERO


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _through_softmax(rows, first, bins, s, lanes):  # type: ignore[no-untyped-def]
    """Softmaxed rows become gradients of the raw ones: BEFORE for the bins before INDEX, OWN for itself."""
    for lane in range(lanes):
        s[SUM + lane] = ZERO
    for k in range(bins):
        number = np.float32(k)
        for lane in range(lanes):
            index, g, at = s[INDEX + lane], s[BEFORE + lane], s[OWN + lane]
            g = (g if number < index else ZERO) + (at if number == index else ZERO)
            s[SUM + lane] += g * rows[first + k, lane]
    for k in range(bins):
        number = np.float32(k)
        for lane in range(lanes):
            index, g, at = s[INDEX + lane], s[BEFORE + lane], s[OWN + lane]
            g = (g if number < index else ZERO) + (at if number == index else ZERO)
            rows[first + k, lane] *= g - s[SUM + lane]


@njit(nogil=True, cache=True, error_model="numpy")
def spline_gradients(x, raw, inverse, bound, floor, least, most, gy, gl, gx, graw):  # type: ignore[no-untyped-def]
    """Gradients gx (M,) and graw (M, 3K-1) of sum(gy y + gl logabsdet), all in float32."""
    bins = (raw.shape[1] + 1) // 3
    rows = np.zeros((3 * bins - 1, LANES), np.float32)
    knots = np.zeros((2 * bins, LANES), np.float32)
    s, theta = np.zeros(SCRATCH, np.float32), np.zeros(LANES, np.float64)
    share = 2.0 * bound * (1.0 - bins * floor)
    last = np.float32(bins - 1)
    for begin in range(0, x.shape[0], LANES):
        lanes = min(LANES, x.shape[0] - begin)
        _load(x, raw, begin, bound, rows, s, lanes)
        tile(rows, bins, inverse, bound, floor, least, most, s, theta, knots, lanes)
        for lane in range(lanes):
            s[IMAGE + lane] = ZERO
            s[SLOPE + lane] = ZERO
        for lane in range(lanes):
            inside = abs(x[begin + lane]) <= bound
            s[IMAGE + lane] = gy[begin + lane] if inside else ZERO
            s[SLOPE + lane] = gl[begin + lane] if inside else ZERO
        _slopes(inverse, bound, share, most, last, s, theta, lanes)
        for lane in range(lanes):
            s[BEFORE + lane] = s[G_X0 + lane]
            s[OWN + lane] = s[G_W + lane]
        _through_softmax(rows, 0, bins, s, lanes)
        for lane in range(lanes):
            s[BEFORE + lane] = s[G_Y0 + lane]
            s[OWN + lane] = s[G_H + lane]
        _through_softmax(rows, bins, bins, s, lanes)
        for k in range(bins - 1):
            before, after = np.float32(k), np.float32(k + 1)
            for lane in range(lanes):
                index, raw0, raw1 = s[INDEX + lane], s[RAW0 + lane], s[RAW1 + lane]
                rows[2 * bins + k, lane] = (raw1 if index == before else ZERO) + (raw0 if index == after else ZERO)
        for lane in range(lanes):
            inside = abs(x[begin + lane]) <= bound
            gx[begin + lane] = s[AT + lane] if inside else gy[begin + lane]
            for row in range(3 * bins - 1):
                graw[begin + lane, row] = rows[row, lane]
