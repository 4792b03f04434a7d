"""Jonker and Volgenant's assignment on shortlists, with a proof over the whole matrix.

Prices of columns prove an assignment optimal where every row holds a column of least cost minus price. In a batch of
samples hardly any row ends with a column beyond its thirty cheapest, so the search goes through those. Prices only ever
fall: what a list was written with bounds the present costs from below, within the list, where a scan stops as soon as
the bound is of no use, and beyond it, where the list is written anew once the search comes that far. The result is
optimal for the whole matrix, and one pass over it at the end proves that.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from caloforge.generative.heap_kernel import drop_nearest, nearer
from caloforge.generative.shortlist_kernel import new_shortlists, undercut, write_list

REDUCTIONS = 2
"""Passes of augmenting row reduction before the search for shortest paths."""


@njit(nogil=True, cache=True, error_model="numpy")
def _two_cheapest(cost, i, lists, price):  # type: ignore[no-untyped-def]
    """Least and second least cost minus price of a row's list, and their columns (-1 where there is none)."""
    least, second, first_column, second_column = np.inf, np.inf, -1, -1
    for p in range(lists.start[i], lists.start[i] + lists.length[i]):
        if lists.bound[p] >= second:
            break
        j = lists.column[p]
        reduced = cost[i, j] - price[j]
        if reduced < least:
            second, second_column = least, first_column
            least, first_column = reduced, j
        elif reduced < second:
            second, second_column = reduced, j
    return least, second, first_column, second_column


@njit(nogil=True, cache=True, error_model="numpy")
def _reduce_rows(cost, lists, price, rounded_price, largest, column_of, row_of, free, n_free):  # type: ignore[no-untyped-def]
    """Give free rows their cheapest column, lowering its price to what the second cheapest bears.

    A row that loses its column tries again at once, at most 4 N times in a pass. Returns lists, the largest price and
    the number of rows that stay free.
    """
    n = cost.shape[0]
    for _ in range(REDUCTIONS):
        todo, n_free, tries, at = n_free, 0, 0, 0
        while at < todo:
            i = free[at]
            at += 1
            least, second, j, other = _two_cheapest(cost, i, lists, price)
            if second > lists.end[i]:
                lists = write_list(lists, cost, i, price, rounded_price, largest)
                least, second, j, other = _two_cheapest(cost, i, lists, price)
            lowered = price[j] - (second - least)
            falls = second < np.inf and lowered < price[j]
            if falls:
                price[j] = rounded_price[j] = lowered
                largest = max(largest, abs(lowered))
            elif row_of[j] >= 0 and other >= 0:
                j = other
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
    return lists, largest, n_free


@njit(nogil=True, cache=True, error_model="numpy")
def _shortest_path(  # type: ignore[no-untyped-def]
    cost, root, lists, price, rounded_price, largest, row_of, distance, before, settled, heap, place, touched, ready
):
    """Grow the tree of shortest alternating paths from a free row until a free column is nearest.

    The heap holds columns j, and rows as n + i at the distance at which their list ends. Returns the lists, the free
    column, its distance, and the lengths of `touched` and `ready`.
    """
    n = cost.shape[0]
    n_touched, n_ready, size = 0, 0, 0
    end, nearest = -1, np.inf
    i, offset = root, 0.0
    while True:
        for p in range(lists.start[i], lists.start[i] + lists.length[i]):
            if lists.bound[p] - offset >= nearest:
                break
            j = lists.column[p]
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
        if lists.end[i] - offset < nearest:
            distance[n + i] = lists.end[i] - offset
            size = nearer(heap, place, size, distance, n + i)
        if size == 0 or distance[heap[0]] >= nearest:
            break
        j = heap[0]
        size = drop_nearest(heap, place, size, distance)
        if j >= n:
            i = j - n
            offset = lists.end[i] - distance[j]
            reach = lists.end[i]
            lists = write_list(lists, cost, i, price, rounded_price, largest)
            while lists.end[i] <= reach:
                lists.wanted[i] = min(2 * lists.wanted[i], n)
                lists = write_list(lists, cost, i, price, rounded_price, largest)
        else:
            settled[j] = True
            ready[n_ready] = j
            n_ready += 1
            i = row_of[j]
            offset = cost[i, j] - price[j] - distance[j]
    for p in range(size):
        place[heap[p]] = -1
    return lists, end, nearest, n_touched, n_ready


@njit(nogil=True, cache=True, error_model="numpy")
def _unproven(cost, price, rounded_price, largest, column_of, tolerance, rows):  # type: ignore[no-untyped-def]
    """Put the rows into `rows` that some column would serve better than theirs by `tolerance`; returns how many.

    The rounding of the prices themselves, 64 units in the last place of the largest, is never held against a row.
    """
    slack = 4.0 * np.finfo(cost.dtype).eps
    tolerance = max(tolerance, 64.0 * np.finfo(np.float64).eps * largest)
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
    first_length  about how many columns a row's list has
    tolerance     by how much a reduced cost may lie below that of the assigned column
    patience      give up where more than this share of rows is free after the first reduction
    """
    n = cost.shape[0]
    rounded_price = price.astype(cost.dtype)
    largest = np.abs(price).max()
    lists = new_shortlists(n, first_length)
    column_of, row_of = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    distance, before, settled = np.full(2 * n, np.inf), np.empty(n, np.int32), np.zeros(n, np.bool_)
    heap, place = np.empty(2 * n, np.int32), np.full(2 * n, -1, np.int32)
    touched, ready = np.empty(n, np.int32), np.empty(n, np.int32)
    free, n_free, first = np.arange(n).astype(np.int32), n, True
    while n_free > 0:
        for i in free[:n_free]:
            lists = write_list(lists, cost, i, price, rounded_price, largest)
        lists, largest, n_free = _reduce_rows(
            cost, lists, price, rounded_price, largest, column_of, row_of, free, n_free
        )
        if first and n_free > patience * n:
            return column_of, False
        first = False
        for root in free[:n_free]:
            lists, end, nearest, n_touched, n_ready = _shortest_path(
                cost, root, lists, price, rounded_price, largest, row_of,
                distance, before, settled, heap, place, touched, ready,
            )  # fmt: skip
            for j in ready[:n_ready]:
                price[j] += distance[j] - nearest
                rounded_price[j] = price[j]
                largest = max(largest, abs(price[j]))
                settled[j] = False
            for j in touched[:n_touched]:
                distance[j] = np.inf
            j, i = end, -1
            while i != root:
                i = before[j]
                row_of[j] = i
                column_of[i], j = j, column_of[i]
        n_free = _unproven(cost, price, rounded_price, largest, column_of, tolerance, free)
        for i in free[:n_free]:
            row_of[column_of[i]] = -1
            column_of[i] = -1
    return column_of, True
