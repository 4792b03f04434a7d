"""One pass over showers for all that is measured: sums of every layer, the mean shower, the voxels' energies."""

from __future__ import annotations

import numpy as np
from numba import njit

ZERO = np.float64(0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _collect(row, lowest, values, places, n):  # type: ignore[no-untyped-def]
    """Append the voxels not below `lowest`, and where they are, behind the first n; returns how many there are.

    What is not a number is kept, so that it is found in the sums.
    """
    for j in range(row.shape[0]):
        v = row[j]
        values[n] = v
        places[n] = j
        n += 0 if v < lowest else 1
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


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def shower_sums(  # type: ignore[no-untyped-def]
    deposits, lowest, offsets, starts, weights, values, bits, places, first, shift, cells, edges, sums, total, counts
):
    """Everything in one pass over showers (n, V); most voxels are empty, so those that are hit are collected first.

    lowest: the least voxel that is hit. offsets (L + 1,) of the layers, starts (L,) of each layer's grid in weights
    (W, 6): x, y, r, x^2, y^2, r^2. values (V + 1,), bits, the same memory as integers, and places (V + 1,) are room to
    work in. Filled: sums (10, L, n) of e, x e, y e, r e, x^2 e, y^2 e, r^2 e, hits, and the two largest e;
    total (V,), added to; counts (n, edges + 1), unless there are no edges.
    """
    for i in range(deposits.shape[0]):
        hits = 0
        for layer in range(starts.shape[0]):
            begin, start, before = offsets[layer], starts[layer], hits
            hits = _collect(deposits[i, begin : offsets[layer + 1]], lowest, values, places, hits)
            s = sx = sy = sr = sxx = syy = srr = largest = second = ZERO
            for k in range(before, hits):
                place = places[k]
                e = np.float64(values[k])
                total[begin + place] += e
                w = weights[start + place]
                s += e
                sx += w[0] * e
                sy += w[1] * e
                sr += w[2] * e
                sxx += w[3] * e
                syy += w[4] * e
                srr += w[5] * e
                second = max(second, min(largest, e))
                largest = max(largest, e)
            sums[0, layer, i], sums[1, layer, i], sums[2, layer, i], sums[3, layer, i] = s, sx, sy, sr
            sums[4, layer, i], sums[5, layer, i], sums[6, layer, i] = sxx, syy, srr
            sums[7, layer, i], sums[8, layer, i], sums[9, layer, i] = hits - before, largest, second
        if edges.shape[0] > 0:
            _spectrum(bits, hits, first, shift, cells, edges, counts[i])


@njit(nogil=True, cache=True, error_model="numpy")
def voxel_spectra(  # type: ignore[no-untyped-def]
    deposits, lowest, values, bits, places, first, shift, cells, edges, counts
):
    """The counts of `shower_sums` alone."""
    for i in range(deposits.shape[0]):
        hits = _collect(deposits[i], lowest, values, places, 0)
        _spectrum(bits, hits, first, shift, cells, edges, counts[i])
