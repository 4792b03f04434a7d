"""From network space to MeV: layer energies, and deposits in both spaces of CaloFlow, one shower after the other."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from caloforge.generative.vector_math import ONE, TWO, ZERO, exp, sigmoid

HIGHEST = np.float32(88.0)
TINY = np.float32(1e-30)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _any_exp(x):  # type: ignore[no-untyped-def]
    return exp(HIGHEST if x > HIGHEST else x)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def powers(energy_mev, energies, basis):  # type: ignore[no-untyped-def]
    """1, t, t^2 ... of the log of the incident energy, t in [-1, 1] between the logs `energies` (low, high)."""
    low, high = energies[0], energies[1]
    t = (TWO * np.float32(math.log(energy_mev)) - low - high) / max(high - low, np.float32(1e-6))
    t = max(min(t, ONE), -ONE)
    basis[0] = ONE
    for k in range(1, basis.shape[0]):
        basis[k] = basis[k - 1] * t


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def unstandardise(x, means, spreads, least, basis, line):  # type: ignore[no-untyped-def]
    """line (D,): x (D,) times exp of the log of the spread, plus the mean, both polynomials (degree + 1, D)."""
    for v in range(line.shape[0]):
        mean, log_spread = means[0, v], spreads[0, v]
        for k in range(1, basis.shape[0]):
            mean += basis[k] * means[k, v]
            log_spread += basis[k] * spreads[k, v]
        log_spread = least if log_spread < least else log_spread
        line[v] = x[v] * _any_exp(log_spread) + mean


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _share(line, alpha):  # type: ignore[no-untyped-def]
    share = (sigmoid(line) - alpha) / (ONE - TWO * alpha)
    share = ZERO if share < ZERO else share
    return ONE if share > ONE else share


@njit(nogil=True, cache=True, error_model="numpy")
def layer_energies(  # type: ignore[no-untyped-def]
    energy_mev, x, skip, energies, means, spreads, least, beta, alpha, layers_mev
):  # fmt: skip
    """layers_mev (N, L) of x (N, skip + L) in the space of `LayerEnergies`, at incident energies (N,)."""
    count = means.shape[1]
    basis, line = np.zeros(means.shape[0], np.float32), np.zeros(count, np.float32)
    for n in range(energy_mev.shape[0]):
        powers(energy_mev[n], energies, basis)
        unstandardise(x[n, skip:], means, spreads, least, basis, line)
        remaining = _share(line[0], alpha) * energy_mev[n] * beta
        for i in range(1, count):
            layers_mev[n, i - 1] = _share(line[i], alpha) * remaining
            remaining = _share(-line[i], alpha) * remaining
        layers_mev[n, count - 1] = remaining


@njit(nogil=True, cache=True, error_model="numpy")
def voxel_context(energy_mev, layers_mev, floor, mean, scale, value):  # type: ignore[no-untyped-def]
    """The first 1 + L columns of `value`: logs of incident energy and layer fractions, minus `mean`, times `scale`."""
    for n in range(energy_mev.shape[0]):
        value[n, 0] = (np.float32(math.log(energy_mev[n])) - mean[0]) * scale[0]
        for i in range(layers_mev.shape[1]):
            fraction = max(layers_mev[n, i] / energy_mev[n], ZERO)
            value[n, 1 + i] = (np.float32(math.log(fraction + floor)) - mean[1 + i]) * scale[1 + i]


@njit(nogil=True, cache=True, error_model="numpy")
def in_mev(line, edge, offset_mev, threshold_mev):  # type: ignore[no-untyped-def]
    """line (V,) from the space of `ThresholdLog` to MeV, in place."""
    for v in range(line.shape[0]):
        at = line[v] - edge
        e = _any_exp(at)
        line[v] = (threshold_mev + offset_mev) * e - offset_mev if at >= ZERO else threshold_mev * e


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _kept_sum(line, begin, end, least):  # type: ignore[no-untyped-def]
    total = ZERO
    for v in range(begin, end):
        total += line[v] * (ONE if line[v] >= least else ZERO)
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def scaled_to_layers(line, layers_mev, threshold_mev, offsets, out):  # type: ignore[no-untyped-def]
    """out (V,): line (V,) in MeV without what lies below the threshold, each layer scaled to its energy (L,), as
    `scale_to_layers` does it; returns the mismatch."""
    worst, total = 0.0, 0.0
    for i in range(layers_mev.shape[0]):
        begin, end, energy = offsets[i], offsets[i + 1], layers_mev[i]
        brightest = line[begin]
        for v in range(begin, end):
            brightest = max(brightest, line[v])
        visible = _kept_sum(line, begin, end, threshold_mev)
        cut = min(brightest, threshold_mev)
        kept = visible if cut == threshold_mev else _kept_sum(line, begin, end, cut)
        scale = (energy if energy >= threshold_mev else ZERO) / max(kept, TINY)
        for v in range(begin, end):
            out[v] = line[v] * (scale if line[v] >= cut else ZERO)
        worst = max(worst, abs(np.float64(visible) - np.float64(energy)))
        total += energy
    return worst / max(total, np.float64(threshold_mev))


@njit(nogil=True, cache=True, error_model="numpy")
def deposits_of_energies(  # type: ignore[no-untyped-def]
    energy_mev, layers_mev, x, skip, energies, means, spreads, least, lowest, highest, edge, offset_mev, threshold_mev,
    offsets, out, mismatch,
):  # fmt: skip
    """out (N, V) in MeV of x (N, skip + V) in the space of `VoxelEnergies`, and its mismatch (N,)."""
    voxels = means.shape[1]
    basis, line = np.zeros(means.shape[0], np.float32), np.zeros(voxels, np.float32)
    bounded = np.zeros(voxels, np.float32)
    for n in range(energy_mev.shape[0]):
        powers(energy_mev[n], energies, basis)
        for v in range(voxels):
            bounded[v] = min(max(x[n, skip + v], lowest[v]), highest[v])
        unstandardise(bounded, means, spreads, least, basis, line)
        in_mev(line, edge, offset_mev, threshold_mev)
        mismatch[n] = scaled_to_layers(line, layers_mev[n], threshold_mev, offsets, out[n])


@njit(nogil=True, cache=True, error_model="numpy")
def deposits_of_shares(  # type: ignore[no-untyped-def]
    energy_mev, layers_mev, x, skip, energies, means, spreads, least, alpha, threshold_mev, offsets, out
):  # fmt: skip
    """out (N, V) in MeV of x (N, skip + V) in the space of `VoxelShares`."""
    voxels = means.shape[1]
    basis, line = np.zeros(means.shape[0], np.float32), np.zeros(voxels, np.float32)
    for n in range(energy_mev.shape[0]):
        powers(energy_mev[n], energies, basis)
        unstandardise(x[n, skip:], means, spreads, least, basis, line)
        for v in range(voxels):
            line[v] = _share(line[v], alpha)
        for i in range(layers_mev.shape[1]):
            begin, end, energy = offsets[i], offsets[i + 1], layers_mev[n, i]
            whole = max(_kept_sum(line, begin, end, ZERO), TINY)
            kept = ZERO
            for v in range(begin, end):
                share = line[v] / whole
                share = share if share * energy >= threshold_mev else ZERO
                line[v] = share
                kept += share
            kept = max(kept, TINY)
            for v in range(begin, end):
                out[n, v] = line[v] / kept * energy
