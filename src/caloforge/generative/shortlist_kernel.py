"""Shortlists of an assignment: of every row the columns that are cheapest at the present prices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

LANES = 64
"""Interleaved parts of a row whose smallest entries bound the k-th smallest of the row, for k below this number."""


class Shortlists(NamedTuple):
    """Lists of all rows: row i has the entries start[i] to start[i] + length[i] of `column` and `bound`.

    column, bound     columns by rising cost minus price, and that difference, when the list was written; since prices
                      only fall, it never lies above the present one
    length, capacity  entries in use and entries reserved
    end               (N,) no column beyond the list lies below this, as for `bound`
    wanted            (N,) about how many columns the next list of the row is to have
    """

    column: Any
    bound: Any
    start: Any
    length: Any
    capacity: Any
    end: Any
    wanted: Any


@njit(nogil=True, cache=True, error_model="numpy")
def new_shortlists(n, wanted):  # type: ignore[no-untyped-def]
    """Empty lists for n rows."""
    capacity = np.full(n, 2 * wanted, np.int64)
    return Shortlists(
        np.empty(2 * n * wanted, np.int32),
        np.empty(2 * n * wanted, np.float64),
        np.arange(n) * (2 * wanted),
        np.zeros(n, np.int64),
        capacity,
        np.zeros(n, np.float64),
        np.full(n, min(wanted, n), np.int64),
    )


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
    """Sort the first entries of both by bound (Shell's sort: short lists by insertion, long ones well enough)."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for at in range(gap, length):
            bound, column = bounds[at], columns[at]
            while at >= gap and bounds[at - gap] > bound:
                bounds[at], columns[at] = bounds[at - gap], columns[at - gap]
                at -= gap
            bounds[at], columns[at] = bound, column


@njit(nogil=True, cache=True, error_model="numpy")
def _quantile(values, wanted):  # type: ignore[no-untyped-def]
    """A number with `wanted` to twice as many values up to it, by halving; with ties perhaps more."""
    low, high = values.min(), values.max()
    for _ in range(40):
        middle = low + (high - low) / 2
        count = 0
        for value in values:
            count += value <= middle
        if count < wanted:
            low = middle
        else:
            high = middle
            if count <= 2 * wanted:
                break
    return high


@njit(nogil=True, cache=True, error_model="numpy")
def _cheapest(row, i, price, rounded_price, wanted, columns, bounds):  # type: ignore[no-untyped-def]
    """Put about `wanted` columns of least row - price into `columns`, sorted; returns their number and the end.

    Ties at the end are taken from column i on, so that equal rows list different columns.
    """
    n = row.shape[0]
    reduced, minima = np.empty(n, row.dtype), np.empty(LANES, row.dtype)
    _lane_minima(row, rounded_price, reduced, minima)
    most = reduced[0]
    if wanted < LANES:
        bounds[:LANES] = minima
        _sort(columns, bounds, LANES)
        minima[0] = bounds[wanted - 1]
        most = minima[0]
    elif wanted < n:
        most = _quantile(reduced, wanted)
    whole = wanted >= n or most == np.inf
    length, ties = 0, 0
    for step in range(n):
        j = i + step
        if j >= n:
            j -= n
        if whole or reduced[j] <= most:
            if not whole and reduced[j] == most:
                ties += 1
                if ties > wanted:
                    continue
            columns[length], bounds[length] = j, row[j] - price[j]
            length += 1
    _sort(columns, bounds, length)
    return length, np.inf if whole else np.float64(most)


@njit(nogil=True, cache=True, error_model="numpy")
def write_list(lists, cost, i, price, rounded_price, largest_price):  # type: ignore[no-untyped-def]
    """The lists with that of row i written anew at the present prices.

    rounded_price  the prices in the precision of the cost
    largest_price  no price is further from zero
    """
    n = cost.shape[0]
    columns, bounds = np.zeros(max(n, LANES), np.int32), np.empty(max(n, LANES), np.float64)
    found, end = _cheapest(cost[i], i, price, rounded_price, lists.wanted[i], columns, bounds)
    if found > lists.capacity[i]:
        used = (lists.start + lists.capacity).max()
        room = min(2 * found, n)
        if used + room > lists.column.shape[0]:
            size = max(2 * lists.column.shape[0], used + room)
            column, bound = np.empty(size, np.int32), np.empty(size, np.float64)
            column[:used], bound[:used] = lists.column[:used], lists.bound[:used]
            lists = Shortlists(column, bound, lists.start, lists.length, lists.capacity, lists.end, lists.wanted)
        lists.start[i], lists.capacity[i] = used, room
    first = lists.start[i]
    lists.length[i] = found
    lists.column[first : first + found] = columns[:found]
    lists.bound[first : first + found] = bounds[:found]
    lists.end[i] = end - 4.0 * np.finfo(cost.dtype).eps * (abs(end) + largest_price) if end < np.inf else end
    return lists


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
