"""What comparing histograms repeats most: separation powers of counts drawn again, the walk along two samples."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def _redraw(counts, roots, few, normal, out):  # type: ignore[no-untyped-def]
    """One row of counts drawn again into out (B,); returns its sum."""
    total = 0.0
    for j in range(counts.shape[0]):
        n = counts[j]
        drawn = few[n, j] if n < few.shape[0] else max(n + roots[j] * normal[j], 0.0)
        out[j] = drawn
        total += drawn
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def redrawn_spread(one, two, few_one, normal_one, few_two, normal_two):  # type: ignore[no-untyped-def]
    """Standard deviation of the separation power when counts (B,) are drawn again; 0 where there are no draws.

    few (R, F, B): draws of Poisson's law of means 0 to F - 1; normal (R, B): standard normal draws for larger counts.
    """
    repeats, bins = normal_one.shape
    if repeats < 2:
        return 0.0
    root_one, root_two = np.sqrt(one.astype(np.float64)), np.sqrt(two.astype(np.float64))
    a, b, found = np.empty(bins), np.empty(bins), np.empty(repeats)
    for r in range(repeats):
        n_a = max(_redraw(one, root_one, few_one[r], normal_one[r], a), 1.0)
        n_b = max(_redraw(two, root_two, few_two[r], normal_two[r], b), 1.0)
        power = 0.0
        for j in range(bins):
            h1, h2 = a[j] / n_a, b[j] / n_b
            power += (h1 - h2) ** 2 / (h1 + h2 + 1e-16)
        found[r] = 0.5 * power
    return np.sqrt(np.sum((found - found.mean()) ** 2) / (repeats - 1))


@njit(nogil=True, cache=True, error_model="numpy")
def distance_of_sorted(one, two):  # type: ignore[no-untyped-def]
    """Area between the cumulative distributions of two sorted arrays; not a number where one is empty."""
    n, m = one.shape[0], two.shape[0]
    if n == 0 or m == 0:
        return np.nan
    area = 0.0
    if n == m:
        for i in range(n):
            area += abs(one[i] - two[i])
        return area / n
    i = j = 0
    last = min(one[0], two[0])
    while i < n or j < m:
        first = j == m or (i < n and one[i] <= two[j])
        x = one[i] if first else two[j]
        area += abs(i / n - j / m) * (x - last)
        last = x
        if first:
            i += 1
        else:
            j += 1
    return area


@njit(nogil=True, cache=True, error_model="numpy")
def _counts(values, edges):  # type: ignore[no-untyped-def]
    """Below, in and above the bins, (B + 2,), of sorted values; the last bin holds its upper edge."""
    n, last = values.shape[0], edges.shape[0] - 1
    found = np.empty(last + 2, dtype=np.int64)
    before = 0
    for k in range(last + 1):
        edge, low, high = edges[k], before, n
        while low < high:
            middle = (low + high) >> 1
            if values[middle] < edge or (k == last and values[middle] == edge):
                low = middle + 1
            else:
                high = middle
        found[k] = low - before
        before = low
    found[last + 1] = n - before
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def compared(one, two, edges, few_one, normal_one, few_two, normal_two):  # type: ignore[no-untyped-def]
    """Counts (B + 2,) of two sorted arrays, spread of their separation power, and their distance, in one go."""
    first, second = _counts(one, edges), _counts(two, edges)
    spread = redrawn_spread(first[1:-1], second[1:-1], few_one, normal_one, few_two, normal_two)
    return first, second, spread, distance_of_sorted(one, two)
