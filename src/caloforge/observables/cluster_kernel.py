"""Connected groups of cells in many showers, by a compiled loop."""

from __future__ import annotations

import numpy as np
from numba import njit

ZERO = np.float64(0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _root(parents, k):  # type: ignore[no-untyped-def]
    """The cell that stands for the group of k; the way there is shortened."""
    while parents[k] != k:
        parents[k] = parents[parents[k]]
        k = parents[k]
    return k


@njit(nogil=True, cache=True, error_model="numpy")
def leading_clusters(deposits, lowest, starts, earlier, centres, found):  # type: ignore[no-untyped-def]
    """Cluster the cells of each shower (n, V) that are not below `lowest`, and measure the one with most energy.

    earlier[starts[i] : starts[i + 1]] are the neighbours of cell i with a smaller index; centres (V, 3) are x, y and
    depth. Filled: found (n, 7) with the number of clusters and, of the leading one, its cells, its energy, its means of
    x, y and depth, and the root of the mean square distance of its cells from its axis.
    """
    cells = centres.shape[0]
    place = np.full(cells, -1, dtype=np.int64)
    hit = np.empty(cells, dtype=np.int64)
    parents = np.empty(cells, dtype=np.int64)
    sums = np.empty(cells)
    for i in range(deposits.shape[0]):
        n = 0
        for j in range(cells):
            if deposits[i, j] >= lowest:
                hit[n] = j
                place[j] = n
                parents[n] = n
                sums[n] = ZERO
                for m in range(starts[j], starts[j + 1]):
                    other = place[earlier[m]]
                    if other >= 0:
                        one, two = _root(parents, n), _root(parents, other)
                        parents[max(one, two)] = min(one, two)
                n += 1
        clusters, best = 0, 0
        for k in range(n):
            root = _root(parents, k)
            clusters += 1 if root == k else 0
            sums[root] += np.float64(deposits[i, hit[k]])
        for k in range(n):
            best = k if sums[k] > sums[best] else best
        size, e, x, y, d, square = 0, ZERO, ZERO, ZERO, ZERO, ZERO
        for k in range(n):
            j = hit[k]
            place[j] = -1
            if _root(parents, k) == best:
                w = np.float64(deposits[i, j])
                size += 1
                e += w
                x += w * centres[j, 0]
                y += w * centres[j, 1]
                d += w * centres[j, 2]
                square += w * (centres[j, 0] ** 2 + centres[j, 1] ** 2)
        scale = 1.0 / e if e > ZERO else ZERO
        x, y = x * scale, y * scale
        found[i, 0], found[i, 1], found[i, 2] = clusters, size, e
        found[i, 3], found[i, 4], found[i, 5] = x, y, d * scale
        found[i, 6] = np.sqrt(max(square * scale - x * x - y * y, ZERO))
