"""Activations as loops over a tile of numbers that compile to vector code, on the polynomials of `vector_math`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from caloforge.generative.vector_math import HALF, ONE, TWO, ZERO, exp, sigmoid, softplus

IDENTITY, RELU, LEAKY, ELU, SILU, TANH, SIGMOID, SOFTPLUS, GELU, GELU_TANH = range(10)
"""Numbers by which the kernels know the activations."""

NEAR = np.float32(-0.3)
T2, T3, T4, T5, T6, T7 = (np.float32(1 / math.factorial(k)) for k in range(2, 8))
SQRT_HALF, SQRT_2_OVER_PI, CUBE = np.float32(math.sqrt(0.5)), np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)
E0, E1, E2, E3, E4, E5 = map(
    np.float32, (0.3275911, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def expm1(x):  # type: ignore[no-untyped-def]
    """exp(x) - 1 of a float32 of at most zero, to 2e-7 of itself."""
    x = ZERO if x > ZERO else x
    near = x * (ONE + x * (HALF + x * (T3 + x * (T4 + x * (T5 + x * (T6 + x * T7))))))
    return near if x > NEAR else exp(x) - ONE


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def tanh(x):  # type: ignore[no-untyped-def]
    """tanh of a float32, to 3e-7 of itself."""
    m = expm1(-TWO * abs(x))
    t = -m / (TWO + m)
    return t if x >= ZERO else -t


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def erf(x):  # type: ignore[no-untyped-def]
    """The error function of a float32, to 3e-7 (Abramowitz and Stegun 7.1.26)."""
    a = abs(x)
    t = ONE / (ONE + E0 * a)
    e = ONE - t * (E1 + t * (E2 + t * (E3 + t * (E4 + t * E5)))) * exp(-a * a)
    return e if x >= ZERO else -e


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def activate(activation, slope, tile, rows, columns, out, row, column):  # type: ignore[no-untyped-def]
    """out[row + r, column + c] = activation of tile[r, c] for r < rows, c < columns; slope: of LEAKY and ELU."""
    for r in range(rows):
        source, target = tile[r, :columns], out[row + r, column : column + columns]
        if activation == RELU:
            for c in range(columns):
                x = source[c]
                target[c] = ZERO if x < ZERO else x
        elif activation == SIGMOID:
            for c in range(columns):
                target[c] = sigmoid(source[c])
        elif activation == LEAKY:
            for c in range(columns):
                x = source[c]
                target[c] = slope * x if x < ZERO else x
        elif activation == ELU:
            for c in range(columns):
                x = source[c]
                target[c] = slope * expm1(x) if x < ZERO else x
        elif activation == SILU:
            for c in range(columns):
                x = source[c]
                target[c] = x * sigmoid(x)
        elif activation == TANH:
            for c in range(columns):
                target[c] = tanh(source[c])
        elif activation == SOFTPLUS:
            for c in range(columns):
                target[c] = softplus(source[c])
        elif activation == GELU:
            for c in range(columns):
                x = source[c]
                target[c] = HALF * x * (ONE + erf(SQRT_HALF * x))
        elif activation == GELU_TANH:
            for c in range(columns):
                x = source[c]
                target[c] = HALF * x * (ONE + tanh(SQRT_2_OVER_PI * (x + CUBE * x * x * x)))
        else:
            for c in range(columns):
                target[c] = source[c]
