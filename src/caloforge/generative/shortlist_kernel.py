"""Shortlists of an assignment: of every row the columns that are cheapest at the present prices."""

from __future__ import annotations

import numpy as np
from numba import njit

LANES = 64
"""Interleaved parts of a row whose smallest entries bound the k-th smallest of the row, for k below this number."""

_CAP = 4


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"nnan", "ninf", "nsz"})
def _lane_minima(row, price, reduced, minima):  # type: ignore[no-untyped-def]
    """reduced = row - price, and the smallest of every LANES-th entry of it."""
    minima[:] = np.inf
    whole = row.shape[0] // LANES * LANES
    for begin in range(0, whole, LANES):
        for lane in range(LANES):
            value = row[begin + lane] - price[begin + lane]
            reduced[begin + lane] = value
            minima[lane] = min(minima[lane], value)
    for column in range(whole, row.shape[0]):
        value = row[column] - price[column]
        reduced[column] = value
        minima[column - whole] = min(minima[column - whole], value)


@njit(nogil=True, cache=True, error_model="numpy")
def _sort(columns, bounds, length):  # type: ignore[no-untyped-def]
    """Sort the first entries of both by bound."""
    if length > LANES:
        order = np.argsort(bounds[:length])
        columns[:length], bounds[:length] = columns[:length][order], bounds[:length][order]
        return
    for place in range(1, length):
        bound, column = bounds[place], columns[place]
        before = place - 1
        while before >= 0 and bounds[before] > bound:
            bounds[before + 1], columns[before + 1] = bounds[before], columns[before]
            before -= 1
        bounds[before + 1], columns[before + 1] = bound, column


@njit(nogil=True, cache=True, error_model="numpy")
def shortlist(row, number, price, rounded_price, wanted, reduced, minima, columns, bounds):  # type: ignore[no-untyped-def]
    """Put the about `wanted` columns of least row - price into `columns`, sorted, and return how many they are.

    `bounds` gets their row - price. Ties begin at the column `number`, so that equal rows list different columns.
    """
    n = row.shape[0]
    _lane_minima(row, rounded_price, reduced, minima)
    if wanted < LANES:
        most = np.sort(minima)[wanted - 1]
    elif wanted < n:
        most = np.partition(reduced, wanted - 1)[wanted - 1]
    else:
        most = reduced.max()
    length = 0
    for step in range(n):
        column = number + step
        if column >= n:
            column -= n
        if reduced[column] <= most:
            columns[length], bounds[length] = column, row[column] - price[column]
            length += 1
            if length >= _CAP * wanted:
                break
    _sort(columns, bounds, length)
    return length


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"nnan", "ninf", "nsz"})
def undercut(row, price, rounded_price, exact, roughly):  # type: ignore[no-untyped-def]
    """Whether any row - price lies below `exact`; looked for where the rounded difference lies below `roughly`."""
    block = 256
    for begin in range(0, row.shape[0], block):
        end = min(begin + block, row.shape[0])
        least = row[begin] - rounded_price[begin]
        for column in range(begin, end):
            least = min(least, row[column] - rounded_price[column])
        if least < roughly:
            for column in range(begin, end):
                if row[column] - price[column] < exact:
                    return True
    return False
