"""One pass over showers for all that is measured: sums of every layer, the mean shower, the voxels' energies."""

from __future__ import annotations

import numpy as np
from numba import njit

ZERO = np.float64(0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _collect(row, lowest, buffer, n):  # type: ignore[no-untyped-def]
    """Append the voxels of at least `lowest` to the buffer behind its first n; returns how many there are."""
    for j in range(row.shape[0]):
        v = row[j]
        buffer[n] = v
        n += 1 if v >= lowest else 0
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def _spectrum(bits, n, first, shift, cells, edges, counts):  # type: ignore[no-untyped-def]
    """Count n positive floats, given as their bits, between edges, given likewise; counts (edges + 1,).

    The leading bits of a float name a cell, and cells[c] is the number of edges below it: few edges remain to be tried.
    """
    last, n_cells = edges.shape[0], cells.shape[0]
    for k in range(n):
        b = bits[k]
        c = (b >> shift) - first
        place = 0
        if c >= n_cells:
            place = last
        elif c >= 0:
            place = cells[c]
            while place < last and b >= edges[place]:
                place += 1
        counts[place] += 1


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _moments(row, limit, start, weights, out):  # type: ignore[no-untyped-def]
    """Sums in float64 of e, x e, y e, r e, x^2 e, y^2 e, r^2 e over a layer's voxels, e = 0 below the limit.

    A value that is not a number is kept, so that it is found in the sum.
    """
    s = sx = sy = sr = sxx = syy = srr = ZERO
    for j in range(row.shape[0]):
        v = row[j]
        e = ZERO if v < limit else np.float64(v)
        w = start + j
        s += e
        sx += weights[0, w] * e
        sy += weights[1, w] * e
        sr += weights[2, w] * e
        sxx += weights[3, w] * e
        syy += weights[4, w] * e
        srr += weights[5, w] * e
    out[0], out[1], out[2], out[3], out[4], out[5], out[6] = s, sx, sy, sr, sxx, syy, srr


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _add(row, limit, total):  # type: ignore[no-untyped-def]
    for j in range(row.shape[0]):
        v = row[j]
        total[j] += ZERO if v < limit else np.float64(v)


@njit(nogil=True, cache=True, error_model="numpy")
def shower_sums(  # type: ignore[no-untyped-def]
    deposits, limit, lowest, offsets, starts, weights, buffer, bits, first, shift, cells, edges, sums, total, counts
):
    """Everything in one pass over showers (n, V).

    limit: a voxel below it counts as zero; lowest: the least voxel that is hit. offsets (L + 1,) of the layers, starts
    (L,) of each layer's grid in weights (6, W): x, y, r, x^2, y^2, r^2. buffer (V + 1,) and bits, the same memory as
    integers. Filled: sums (10, L, n), the seven of `_moments`, hits, the largest and the second largest voxel;
    total (V,), added to; counts (n, edges + 1), unless there are no edges.
    """
    n, layers = deposits.shape[0], starts.shape[0]
    out = np.zeros(7)
    for i in range(n):
        hits = 0
        for layer in range(layers):
            row = deposits[i, offsets[layer] : offsets[layer + 1]]
            _moments(row, limit, starts[layer], weights, out)
            for q in range(7):
                sums[q, layer, i] = out[q]
            before = hits
            hits = _collect(row, lowest, buffer, hits)
            largest = second = ZERO
            for k in range(before, hits):
                e = np.float64(buffer[k])
                second = max(second, min(largest, e))
                largest = max(largest, e)
            sums[7, layer, i] = hits - before
            sums[8, layer, i] = largest
            sums[9, layer, i] = second
        _add(deposits[i], limit, total)
        if edges.shape[0] > 0:
            _spectrum(bits, hits, first, shift, cells, edges, counts[i])


@njit(nogil=True, cache=True, error_model="numpy")
def voxel_spectra(deposits, lowest, buffer, bits, first, shift, cells, edges, counts):  # type: ignore[no-untyped-def]
    """The counts of `shower_sums` alone."""
    for i in range(deposits.shape[0]):
        hits = _collect(deposits[i], lowest, buffer, 0)
        _spectrum(bits, hits, first, shift, cells, edges, counts[i])
