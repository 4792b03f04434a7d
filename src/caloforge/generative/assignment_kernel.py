"""Jonker and Volgenant's assignment on shortlists, with a proof over the whole matrix.

Prices of columns prove an assignment optimal where every row holds a column of least cost minus price. In a batch of
samples hardly any row ends with a column beyond its thirty cheapest, so the search sees those alone. Then one pass over
the matrix looks for rows that a column beyond their list would serve better; they get longer lists at the present
prices and are assigned anew. Where none is left, the assignment is optimal for the whole matrix.

The lists are sorted, and prices only ever fall: a reduced cost never lies below what it was when the list was written,
so that a scan ends as soon as that bound is of no use. Hardly three entries of a list are looked at.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from caloforge.generative.heap_kernel import drop_nearest, nearer
from caloforge.generative.shortlist_kernel import LANES, shortlist, undercut

REDUCTIONS = 2
"""Passes of augmenting row reduction before the search for shortest paths."""


@njit(nogil=True, cache=True, error_model="numpy")
def _write_lists(cost, rows, price, rounded_price, wanted, pool, bound, start, length, used):  # type: ignore[no-untyped-def]
    """New lists for `rows` at the present prices, twice as long as their last; returns pool, bound and used entries."""
    n = cost.shape[0]
    reduced, minima = np.empty(n, cost.dtype), np.empty(LANES, cost.dtype)
    columns, bounds = np.empty(n + 1, np.int32), np.empty(n + 1, np.float64)
    for i in rows:
        found = shortlist(cost[i], i, price, rounded_price, wanted[i], reduced, minima, columns, bounds)
        wanted[i] = min(2 * wanted[i], n)
        if used + found > pool.shape[0]:
            more = np.empty(max(2 * pool.shape[0], used + found), np.int32)
            more[:used] = pool[:used]
            pool = more
            higher = np.empty(more.shape[0], np.float64)
            higher[:used] = bound[:used]
            bound = higher
        start[i], length[i] = used, found
        pool[used : used + found] = columns[:found]
        bound[used : used + found] = bounds[:found]
        used += found
    return pool, bound, used


@njit(nogil=True, cache=True, error_model="numpy")
def _reduce_rows(cost, pool, bound, start, length, price, column_of, row_of, free, n_free):  # type: ignore[no-untyped-def]
    """Give free rows their cheapest column, lowering its price to what the second cheapest bears; returns free rows.

    A row that loses its column tries again at once, at most 4 N times in a pass.
    """
    n = cost.shape[0]
    for _ in range(REDUCTIONS):
        todo, n_free, tries, at = n_free, 0, 0, 0
        while at < todo:
            i = free[at]
            at += 1
            least, second, first_column, second_column = np.inf, np.inf, -1, -1
            for p in range(start[i], start[i] + length[i]):
                if bound[p] >= second:
                    break
                j = pool[p]
                reduced = cost[i, j] - price[j]
                if reduced < least:
                    second, second_column = least, first_column
                    least, first_column = reduced, j
                elif reduced < second:
                    second, second_column = reduced, j
            j = first_column
            lowered = price[j] - (second - least)
            falls = second < np.inf and lowered < price[j]
            if falls:
                price[j] = lowered
            elif row_of[j] >= 0 and second_column >= 0:
                j = second_column
            loser = row_of[j]
            column_of[i], row_of[j] = j, i
            if loser >= 0:
                column_of[loser] = -1
                tries += 1
                if falls and tries < 4 * n:
                    at -= 1
                    free[at] = loser
                else:
                    free[n_free] = loser
                    n_free += 1
    return n_free


@njit(nogil=True, cache=True, error_model="numpy")
def _shortest_path(  # type: ignore[no-untyped-def]
    cost, root, pool, bound, start, length, price, row_of, distance, before, settled, heap, place, touched, ready
):
    """Grow the tree of shortest alternating paths from a free row until a free column is nearest.

    Returns that column (-1 where the lists lead to none), its distance, and the lengths of `touched` and `ready`.
    """
    n_touched, n_ready, size = 0, 0, 0
    end, nearest = -1, np.inf
    i, offset = root, 0.0
    while True:
        for p in range(start[i], start[i] + length[i]):
            if bound[p] - offset >= nearest:
                break
            j = pool[p]
            if settled[j]:
                continue
            reached = cost[i, j] - price[j] - offset
            if reached < nearest and reached < distance[j]:
                if distance[j] == np.inf:
                    touched[n_touched] = j
                    n_touched += 1
                distance[j], before[j] = reached, i
                if row_of[j] < 0:
                    nearest, end = reached, j
                else:
                    size = nearer(heap, place, size, distance, j)
        if size == 0 or distance[heap[0]] >= nearest:
            break
        j = heap[0]
        size = drop_nearest(heap, place, size, distance)
        settled[j] = True
        ready[n_ready] = j
        n_ready += 1
        i = row_of[j]
        offset = cost[i, j] - price[j] - distance[j]
    for p in range(size):
        place[heap[p]] = -1
    return end, nearest, n_touched, n_ready


@njit(nogil=True, cache=True, error_model="numpy")
def _unproven(cost, price, rounded_price, column_of, tolerance, rows):  # type: ignore[no-untyped-def]
    """Put the rows into `rows` that some column would serve better than theirs by `tolerance`; returns how many."""
    largest = np.abs(price).max()
    slack = 16.0 * np.finfo(cost.dtype).eps
    found = 0
    for i in range(cost.shape[0]):
        j = column_of[i]
        own = cost[i, j] - price[j]
        roughly = own + slack * (largest + abs(own) + abs(cost[i, j]))
        if undercut(cost[i], price, rounded_price, own - tolerance, roughly):
            rows[found] = i
            found += 1
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def solve(cost, price, first_length, tolerance, patience):  # type: ignore[no-untyped-def]
    """Columns (N,) of the rows of cost (N, N), an optimal assignment, and whether it was finished.

    price         (N,) float64, with which the search begins; holds the final prices on return
    first_length  about how many columns a row's list has at first
    tolerance     by how much a reduced cost may lie below that of the assigned column
    patience      give up where more than this share of rows is free after the first reduction
    """
    n = cost.shape[0]
    rounded_price = price.astype(cost.dtype)
    pool, bound, used = np.empty(2 * n * first_length, np.int32), np.empty(2 * n * first_length, np.float64), 0
    start, length = np.zeros(n, np.int64), np.zeros(n, np.int64)
    wanted = np.full(n, min(first_length, n), np.int64)
    column_of, row_of = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    distance, before = np.full(n, np.inf), np.empty(n, np.int32)
    settled, heap, place = np.zeros(n, np.bool_), np.empty(n, np.int32), np.full(n, -1, np.int32)
    touched, ready = np.empty(n, np.int32), np.empty(n, np.int32)
    rows, n_rows = np.arange(n).astype(np.int32), n
    free, first = np.empty(n, np.int32), True
    while n_rows > 0:
        for j in range(n):
            rounded_price[j] = price[j]
        pool, bound, used = _write_lists(
            cost, rows[:n_rows], price, rounded_price, wanted, pool, bound, start, length, used
        )
        free[:n_rows] = rows[:n_rows]
        n_free = _reduce_rows(cost, pool, bound, start, length, price, column_of, row_of, free, n_rows)
        if first and n_free > patience * n:
            return column_of, False
        first = False
        while n_free > 0:
            root = free[n_free - 1]
            end, nearest, n_touched, n_ready = _shortest_path(
                cost, root, pool, bound, start, length, price, row_of,
                distance, before, settled, heap, place, touched, ready,
            )  # fmt: skip
            if end >= 0:
                n_free -= 1
                for p in range(n_ready):
                    price[ready[p]] += distance[ready[p]] - nearest
                j, i = end, -1
                while i != root:
                    i = before[j]
                    row_of[j] = i
                    column_of[i], j = j, column_of[i]
            else:
                for j in range(n):
                    rounded_price[j] = price[j]
                tree = np.empty(n_ready + 1, np.int32)
                tree[0] = root
                for p in range(n_ready):
                    tree[p + 1] = row_of[ready[p]]
                pool, bound, used = _write_lists(
                    cost, tree, price, rounded_price, wanted, pool, bound, start, length, used
                )
                for i in tree[1:]:
                    j = column_of[i]
                    if cost[i, j] - price[j] > cost[i, pool[start[i]]] - price[pool[start[i]]]:
                        column_of[i], row_of[j] = -1, -1
                        free[n_free] = i
                        n_free += 1
            for p in range(n_touched):
                distance[touched[p]] = np.inf
            for p in range(n_ready):
                settled[ready[p]] = False
        for j in range(n):
            rounded_price[j] = price[j]
        n_rows = _unproven(cost, price, rounded_price, column_of, tolerance, rows)
        for i in rows[:n_rows]:
            row_of[column_of[i]] = -1
            column_of[i] = -1
    return column_of, True
