"""exp, log and what is made of them in float32, as polynomials that compile to vector code inside a numba loop."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

ZERO, ONE, TWO, HALF = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(0.5)
LOG2E = np.float32(1.44269504)
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(-2.12194440e-4)
LOWEST = np.float32(-87.0)
C2, C3, C4, C5, C6, C7 = (np.float32(1 / math.factorial(k)) for k in range(2, 8))
A3, A5, A7, A9, A11, A13 = (np.float32(1 / k) for k in range(3, 15, 2))
BIAS, SHIFT, MANTISSA = np.int32(127), np.int32(23), np.int32(0x7FFFFF)
SQRT2 = np.float32(1.41421356)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def exp(x):  # type: ignore[no-untyped-def]
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
def log(x):  # type: ignore[no-untyped-def]
    """log of a positive normal float32, to 1e-7 of the larger of it and one."""
    bits = np.float32(x).view(np.int32)
    k = np.int32((bits >> SHIFT) - BIAS)
    m = np.int32((bits & MANTISSA) | np.int32(0x3F800000)).view(np.float32)
    high = m > SQRT2
    m = HALF * m if high else m
    n = np.float32(k) + (ONE if high else ZERO)
    return n * LN2_HIGH + (n * LN2_LOW + _twice_artanh((m - ONE) / (m + ONE)))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def softplus(raw):  # type: ignore[no-untyped-def]
    e = exp(-abs(raw))
    return (raw if raw > ZERO else ZERO) + _twice_artanh(e / (TWO + e))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def sigmoid(raw):  # type: ignore[no-untyped-def]
    e = exp(-abs(raw))
    return (ONE if raw >= ZERO else e) / (ONE + e)
