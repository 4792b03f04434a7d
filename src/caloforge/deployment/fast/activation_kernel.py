"""Activations as loops over a tile of numbers that compile to vector code, on the polynomials of `vector_math`."""

from __future__ import annotations

import math

import numpy as np
from numba import carray, njit

from caloforge.deployment.fast.product_kernel import numbers_at
from caloforge.deployment.fast.sigmoid_kernel import sigmoid_line
from caloforge.generative.vector_math import HALF, ONE, TWO, ZERO, exp, sigmoid, softplus

IDENTITY, RELU, LEAKY, ELU, SILU, TANH, SIGMOID, SOFTPLUS, GELU, GELU_TANH = range(10)
"""Numbers by which the kernels know the activations."""

NEAR = np.float32(-0.3)
T3, T4, T5, T6, T7 = (np.float32(1 / math.factorial(k)) for k in range(3, 8))
SQRT_HALF, SQRT_2_OVER_PI, CUBE = np.float32(math.sqrt(0.5)), np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)
E0, E1, E2, E3, E4, E5 = map(np.float32, (0.3275911, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429))


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
def activate(activation, slope, address, columns):  # type: ignore[no-untyped-def]
    """Apply an activation to `columns` float32 numbers, a multiple of WIDTH, at an address; slope: of LEAKY and ELU.

    By address, since a view of an array would count references, which takes longer than a short line. Choices are
    products, since a choice between a number and itself becomes a conditional store, which is slow.
    """
    line = carray(numbers_at(address), columns)
    if activation == RELU:
        for c in range(columns):
            x = line[c]
            line[c] = x * (ONE if x > ZERO else ZERO)
    elif activation == SIGMOID:
        sigmoid_line(address, columns)
    elif activation == LEAKY:
        for c in range(columns):
            x = line[c]
            line[c] = x * (ONE if x > ZERO else slope)
    elif activation == ELU:
        for c in range(columns):
            x = line[c]
            line[c] = x * (ONE if x > ZERO else ZERO) + slope * expm1(x)
    elif activation == SILU:
        for c in range(columns):
            x = line[c]
            line[c] = x * sigmoid(x)
    elif activation == TANH:
        for c in range(columns):
            line[c] = tanh(line[c])
    elif activation == SOFTPLUS:
        for c in range(columns):
            line[c] = softplus(line[c])
    elif activation == GELU:
        for c in range(columns):
            x = line[c]
            line[c] = HALF * x * (ONE + erf(SQRT_HALF * x))
    elif activation == GELU_TANH:
        for c in range(columns):
            x = line[c]
            line[c] = HALF * x * (ONE + tanh(SQRT_2_OVER_PI * (x + CUBE * x * x * x)))
