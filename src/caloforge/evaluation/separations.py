"""Separation powers of every observable of a sample, and what two Geant4 samples of the same size give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.sample import Sample
from caloforge.observables import (
    Comparison,
    Features,
    compare,
    compare_counts,
    discrete_energies,
    energy_edges,
    response_edges,
)
from caloforge.observables.separation import RESAMPLINGS
from caloforge.threads import in_order

Edges = NDArray[np.float64]
VoxelCounts = NDArray[np.uint32]
Part: TypeAlias = tuple[Features, VoxelCounts]
"""Some showers of a sample: their features and their voxel histograms (n, B + 2)."""
VOXELS = "voxel distribution"
RESPONSE = "Etot / Einc"
BATCH = 16
"""Observables that a thread compares before it looks for others."""


def voxel_edges(reference: Sample) -> Edges:
    """Edges of the histogram of all voxel energies: 49 logarithmic bins up to the reference's largest."""
    return energy_edges(reference.threshold_mev, reference.brightest_mev, 50)


@dataclass(frozen=True)
class Binned:
    """A sample with the histogram of each of its showers' voxel energies (N, B + 2): below, the bins, above."""

    sample: Sample
    voxels: VoxelCounts

    @staticmethod
    def of(sample: Sample, edges: Edges) -> Binned:
        """The sample with these edges; it is read once more for its voxel energies unless they were gathered."""
        return Binned(sample, sample.voxel_histograms(edges))

    def rows(self, rows: NDArray[np.int64] | slice) -> Part:
        """Features and voxel histograms of some showers."""
        return self.sample.features[rows], self.voxels[rows]


def separations(
    reference: Part, other: Part, bins: Mapping[str, Edges], voxels: Edges, sample: Sample, *,
    resamplings: int = RESAMPLINGS, seed: int = 0, threads: int | None = None,
) -> dict[str, Comparison]:  # fmt: skip
    """Comparisons by name of the observable; E_tot / E_inc also at each energy where there are only a few.

    Names are those of the CaloChallenge's evaluation. resamplings: of the bootstrap of every error; threads: that
    share the observables (all there are by default), with the same results for any number.
    """
    one, two = reference[0].table(), other[0].table()
    values = {name: (one[name], two[name], edges) for name, edges in bins.items()}
    for index, energy in enumerate(discrete_energies(sample.features.incident_energy_mev)):
        chosen = [f.incident_energy_mev == energy for f in (reference[0], other[0])]
        if chosen[0].any():
            parts = [table[RESPONSE][rows] for table, rows in zip((one, two), chosen, strict=True)]
            values[f"{RESPONSE} at E = {float(energy)}"] = (parts[0], parts[1], response_edges(sample.detector, index))

    def work(names: list[str]) -> list[tuple[str, Comparison]]:
        return [(name, compare(*values[name], resamplings=resamplings, seed=seed)) for name in names]

    names = list(values)
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    found = dict(chain.from_iterable(in_order(work, batches, threads)))
    found[VOXELS] = compare_counts(reference[1], other[1], voxels, resamplings=resamplings, seed=seed)
    return found
