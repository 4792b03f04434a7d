"""From what an autoencoder's decoder says to MeV: layer energies of a mixture, then hits, shower after shower."""

from __future__ import annotations

import numpy as np
from numba import njit

from caloforge.deployment.fast.deposit_kernel import in_mev, powers, scaled_to_layers, unstandardise
from caloforge.generative.observation import SMALLEST_SPREAD
from caloforge.generative.vector_math import ONE, ZERO, exp, softplus

LEAST = np.float32(SMALLEST_SPREAD)


@njit(nogil=True, cache=True, error_model="numpy")
def mixtures(numbers, components, choice, value, x):  # type: ignore[no-untyped-def]
    """x (N, L): draws of `GaussianMixture` from the first columns of `numbers`; choice, value (N, L): its noise."""
    features = x.shape[1]
    size = components * features
    for n in range(x.shape[0]):
        for i in range(features):
            k = 0
            if components > 1:
                top, total, edge = numbers[n, 2 * size + i], ZERO, ZERO
                for j in range(1, components):
                    top = max(top, numbers[n, 2 * size + j * features + i])
                for j in range(components):
                    total += exp(numbers[n, 2 * size + j * features + i] - top)
                for j in range(1, components):
                    edge += exp(numbers[n, 2 * size + (j - 1) * features + i] - top) / total
                    k = j if choice[n, i] >= edge else k
            spread = LEAST + softplus(numbers[n, size + k * features + i])
            x[n, i] = numbers[n, k * features + i] + spread * value[n, i]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _hits(said, choice, value, work, line):  # type: ignore[no-untyped-def]
    """A draw of `Hits`: one or zero into work[0], what a hit holds into line (V,).

    said (3 K, V): means, raw spreads and logits of K components. work (6, V): workspace. Loops run over voxels inside,
    and choices are products, so that they compile to vector code.
    """
    components, voxels = said.shape[0] // 3, line.shape[0]
    hit, top, total, rest, edge, raw = work[0], work[1], work[2], work[3], work[4], work[5]
    means, spreads, logits = said[:components], said[components : 2 * components], said[2 * components :]
    for v in range(voxels):
        top[v] = max(logits[0, v], ZERO)
    for k in range(1, components):
        for v in range(voxels):
            top[v] = max(logits[k, v], top[v])
    for v in range(voxels):
        total[v] = exp(-top[v])
    for k in range(components):
        for v in range(voxels):
            total[v] += exp(logits[k, v] - top[v])
    for v in range(voxels):
        empty = exp(-top[v]) / total[v]
        hit[v] = ONE if choice[v] >= empty else ZERO
        rest[v] = choice[v] - empty
        edge[v] = ZERO
        line[v] = means[0, v]
        raw[v] = spreads[0, v]
    for k in range(1, components):
        for v in range(voxels):
            edge[v] += exp(logits[k - 1, v] - top[v]) / total[v]
            passed = rest[v] >= edge[v]
            line[v] = means[k, v] if passed else line[v]
            raw[v] = spreads[k, v] if passed else raw[v]
    for v in range(voxels):
        line[v] += (LEAST + softplus(raw[v])) * value[v]


@njit(nogil=True, cache=True, error_model="numpy")
def deposits_of_hits(  # type: ignore[no-untyped-def]
    energy_mev, layers_mev, numbers, skip, components, choice, value, energies, means, spreads, least, lowest, highest,
    edge, offset_mev, threshold_mev, offsets, out, mismatch,
):  # fmt: skip
    """out (N, V) in MeV of draws of `Hits` in the space of `VoxelHits`, and its mismatch (N,).

    numbers (N, skip + 3 K V): what the decoder says, from `skip` on of the voxels; choice, value (N, V): the noise.
    """
    voxels = means.shape[1]
    basis, line = np.zeros(means.shape[0], np.float32), np.zeros(voxels, np.float32)
    bounded, work = np.zeros(voxels, np.float32), np.zeros((6, voxels), np.float32)
    for n in range(energy_mev.shape[0]):
        _hits(numbers[n, skip:].reshape(3 * components, voxels), choice[n], value[n], work, bounded)
        for v in range(voxels):
            bounded[v] = min(max(bounded[v], lowest[v]), highest[v])
        powers(energy_mev[n], energies, basis)
        unstandardise(bounded, means, spreads, least, basis, line)
        in_mev(line, edge, offset_mev, threshold_mev)
        for v in range(voxels):
            line[v] = max(line[v], threshold_mev) * work[0, v]
        mismatch[n] = scaled_to_layers(line, layers_mev[n], threshold_mev, offsets, out[n])
