"""The spline as one pass over memory on the CPU: forward, inverse, and an analytic gradient that recomputes its knots.

Elements are taken in tiles of LANES, turned so that each step is one loop over the lanes which compiles to vector code.
`exp` and `log` are polynomials, because those of the mathematics library are scalar. Knots are in float32, the position
within the bin in float64. The plain torch version in `spline.py` is what this is tested against.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

LANES = 128
# fmt: off
(
    AT, X0, WIDTH, Y0, HEIGHT, INDEX, RAW0, RAW1, D0, D1, IMAGE, SLOPE,
    G_X0, G_W, G_Y0, G_H, LARGEST, SUM, START, END, BEFORE, OWN,
) = (LANES * row for row in range(22))
# fmt: on
"""Where the quantities of a tile begin in its float32 scratch of SCRATCH numbers. Fixed places in one array let the
compiler see that they do not overlap; choices are products with 0 or 1, since a conditional store is slow."""
SCRATCH = 22 * LANES

ZERO, ONE, HALF = np.float32(0.0), np.float32(1.0), np.float32(0.5)
LOG2E = np.float32(1.44269504)
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(-2.12194440e-4)
LOWEST = np.float32(-87.0)
C2, C3, C4, C5, C6, C7 = (np.float32(1 / math.factorial(k)) for k in range(2, 8))
A3, A5, A7, A9, A11, A13 = (np.float32(1 / k) for k in range(3, 15, 2))
BIAS, SHIFT, MANTISSA = np.int32(127), np.int32(23), np.int32(0x7FFFFF)
SQRT2 = np.float32(1.41421356)
TWO = np.float32(2.0)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _exp(x):  # type: ignore[no-untyped-def]
    """exp of a float32 of at most zero, to 1e-7; zero below -87."""
    x = LOWEST if x < LOWEST else x
    k = np.floor(x * LOG2E + HALF)
    t = x - k * LN2_HIGH - k * LN2_LOW
    p = ((((((C7 * t + C6) * t + C5) * t + C4) * t + C3) * t + C2) * t + ONE) * t + ONE
    return p * np.int32((np.int32(k) + BIAS) << SHIFT).view(np.float32)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _twice_artanh(s):  # type: ignore[no-untyped-def]
    """log((1 + s) / (1 - s)) of a float32 of at most 1/3 in size, to 1e-7."""
    q = s * s
    return TWO * s * (ONE + q * (A3 + q * (A5 + q * (A7 + q * (A9 + q * (A11 + q * A13))))))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _log(x):  # type: ignore[no-untyped-def]
    """log of a positive normal float32, to 1e-7 of the larger of it and one."""
    bits = np.float32(x).view(np.int32)
    k = np.int32((bits >> SHIFT) - BIAS)
    m = np.int32((bits & MANTISSA) | np.int32(0x3F800000)).view(np.float32)
    high = m > SQRT2
    m = HALF * m if high else m
    n = np.float32(k) + (ONE if high else ZERO)
    return n * LN2_HIGH + (n * LN2_LOW + _twice_artanh((m - ONE) / (m + ONE)))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _softplus(raw):  # type: ignore[no-untyped-def]
    e = _exp(-abs(raw))
    return (raw if raw > ZERO else ZERO) + _twice_artanh(e / (TWO + e))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _sigmoid(raw):  # type: ignore[no-untyped-def]
    e = _exp(-abs(raw))
    return (ONE if raw >= ZERO else e) / (ONE + e)


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
            e = _exp(rows[row, lane] - s[LARGEST + lane])
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
        for lane in range(lanes):
            after = s[SUM + lane] + (least + share * rows[k, lane])
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
    """START and END become Y0 and HEIGHT where `vertical`, else X0 and WIDTH."""
    if vertical:
        for lane in range(lanes):
            s[Y0 + lane] = s[START + lane]
            s[HEIGHT + lane] = s[END + lane] - s[START + lane]
    else:
        for lane in range(lanes):
            s[X0 + lane] = s[START + lane]
            s[WIDTH + lane] = s[END + lane] - s[START + lane]


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
        d = _softplus(s[RAW0 + lane]) + least
        d = most if d > most else d
        s[D0 + lane] = d if s[INDEX + lane] > ZERO else ONE
    for lane in range(lanes):
        d = _softplus(s[RAW1 + lane]) + least
        d = most if d > most else d
        s[D1 + lane] = d if s[INDEX + lane] < last else ONE


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _place(s, theta, lanes):  # type: ignore[no-untyped-def]
    """Position of AT within its bin, [0, 1], where AT is on the x side."""
    for lane in range(lanes):
        t = (float(s[AT + lane]) - float(s[X0 + lane])) / float(s[WIDTH + lane])
        t = 0.0 if t < 0.0 else t
        theta[lane] = 1.0 if t > 1.0 else t


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _solve(s, theta, lanes):  # type: ignore[no-untyped-def]
    """Position within the bin, [0, 1], of the x whose y is AT: the root without cancellation, and one Newton step."""
    for lane in range(lanes):
        h = float(s[HEIGHT + lane])
        delta = h / float(s[WIDTH + lane])
        d0, d1 = float(s[D0 + lane]), float(s[D1 + lane])
        bend = d0 + d1 - 2.0 * delta
        xi = (float(s[AT + lane]) - float(s[Y0 + lane])) / h
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
        w, h = float(s[WIDTH + lane]), float(s[HEIGHT + lane])
        d0, d1, delta, t = float(s[D0 + lane]), float(s[D1 + lane]), h / w, theta[lane]
        rest = 1.0 - t
        c = t * rest
        den = delta * (1.0 - 2.0 * c) + (d0 + d1) * c
        num = d1 * t * t + 2.0 * delta * c + d0 * rest * rest
        u = (delta * t * t + d0 * c) / den
        value = float(s[X0 + lane]) + t * w if inverse else float(s[Y0 + lane]) + u * h
        value = -bound if value < -bound else value
        s[IMAGE + lane] = np.float32(bound if value > bound else value)
        s[SLOPE + lane] = np.float32(num * (delta / den) * (delta / den))
    for lane in range(lanes):
        log_slope = _log(s[SLOPE + lane])
        s[SLOPE + lane] = -log_slope if inverse else log_slope


@njit(nogil=True, cache=True, error_model="numpy")
def spline_values(x, raw, inverse, bound, floor, least, most, y, logabsdet):  # type: ignore[no-untyped-def]
    """y and log |dy/dx| (M,) of x (M,) and raw (M, 3K-1) in float32."""
    bins = (raw.shape[1] + 1) // 3
    rows = np.zeros((3 * bins - 1, LANES), np.float32)
    knots = np.zeros((2 * bins, LANES), np.float32)
    s, theta = np.zeros(SCRATCH, np.float32), np.zeros(LANES, np.float64)
    for begin in range(0, x.shape[0], LANES):
        lanes = min(LANES, x.shape[0] - begin)
        for lane in range(lanes):
            value = x[begin + lane]
            value = -bound if value < -bound else value
            s[AT + lane] = bound if value > bound else value
            for row in range(3 * bins - 1):
                rows[row, lane] = raw[begin + lane, row]
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
        w, h = float(s[WIDTH + lane]), float(s[HEIGHT + lane])
        d0, d1, delta, t = float(s[D0 + lane]), float(s[D1 + lane]), h / w, theta[lane]
        rest, turn = 1.0 - t, 1.0 - 2.0 * t
        c = t * rest
        bend = d0 + d1 - 2.0 * delta
        per_den = 1.0 / (delta * (1.0 - 2.0 * c) + (d0 + d1) * c)
        per_num = 1.0 / (d1 * t * t + 2.0 * delta * c + d0 * rest * rest)
        u = (delta * t * t + d0 * c) * per_den
        den_t = bend * turn
        u_t = (2.0 * delta * t + d0 * turn - u * den_t) * per_den
        l_t = -2.0 * den_t * per_den + (2.0 * d1 * t + 2.0 * delta * turn - 2.0 * d0 * rest) * per_num
        out, gain = float(s[IMAGE + lane]), float(s[SLOPE + lane])
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
        g = s[IMAGE + lane] * _sigmoid(s[RAW0 + lane])
        g = g if s[INDEX + lane] > ZERO else ZERO
        s[RAW0 + lane] = g if s[D0 + lane] < most else ZERO
    for lane in range(lanes):
        g = s[SLOPE + lane] * _sigmoid(s[RAW1 + lane])
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
        for lane in range(lanes):
            value = x[begin + lane]
            value = -bound if value < -bound else value
            s[AT + lane] = bound if value > bound else value
            for row in range(3 * bins - 1):
                rows[row, lane] = raw[begin + lane, row]
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
