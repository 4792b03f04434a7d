"""Fourth powers of a block of inner products, summed with weights or written out; one thread, without the GIL."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def sum_fourth_powers(products, first, second, first_weights, second_weights):  # type: ignore[no-untyped-def]
    """Sum over i, j of v_i w_j (p_ij + a_i + b_j)^4 for products p (I, J) in float32, in float64."""
    total = np.float64(0.0)
    for i in range(products.shape[0]):
        row, a, part = products[i], first[i], np.float64(0.0)
        for j in range(row.shape[0]):
            square = (np.float64(row[j]) + a + second[j]) ** 2
            part += second_weights[j] * (square * square)
        total += first_weights[i] * part
    return total


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def fourth_powers(products, first, second, powers):  # type: ignore[no-untyped-def]
    """Write (p_ij + a_i + b_j)^4 to powers (I, J) in float64 for products p (I, J) in float32."""
    for i in range(products.shape[0]):
        a = first[i]
        for j in range(products.shape[1]):
            square = (np.float64(products[i, j]) + a + second[j]) ** 2
            powers[i, j] = square * square
