"""Separation powers of every observable of a sample, and what two Geant4 samples of the same size give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.sample import Sample
from caloforge.observables import (
    Comparison,
    Features,
    compare,
    discrete_energies,
    energy_edges,
    response_edges,
    separation_of_counts,
)
from caloforge.randomness import numpy_generator

Edges = NDArray[np.float64]
VOXELS = "Voxel energy"


def voxel_edges(reference: Sample) -> Edges:
    """Edges of the histogram of all voxel energies: 49 logarithmic bins up to the reference's largest."""
    return energy_edges(reference.detector.threshold_mev, reference.brightest_mev, 50)


@dataclass(frozen=True)
class Binned:
    """A sample with the histogram of each of its showers' voxel energies (N, bins)."""

    sample: Sample
    voxels: NDArray[np.int64]

    @staticmethod
    def of(sample: Sample, edges: Edges) -> Binned:
        """Read the sample once more for its voxel energies."""
        return Binned(sample, sample.voxel_histograms(edges))

    def rows(self, rows: NDArray[np.int64] | slice) -> tuple[Features, NDArray[np.int64]]:
        """Features and summed voxel histogram of some showers."""
        return self.sample.features[rows], self.voxels[rows].sum(axis=0)


def separations(
    reference: tuple[Features, NDArray[np.int64]], other: tuple[Features, NDArray[np.int64]],
    bins: Mapping[str, Edges], voxels: Edges, sample: Sample,
) -> dict[str, Comparison]:  # fmt: skip
    """Comparisons by name of the observable; E_tot / E_inc also at each energy where there are only a few."""
    one, two = reference[0].table(), other[0].table()
    found = {name: compare(values, two[name], bins[name]) for name, values in one.items()}
    value, note = separation_of_counts(reference[1], other[1])
    found[VOXELS] = Comparison(value, voxels, reference[1], other[1], 0.0, 0.0, note)
    for index, energy in enumerate(discrete_energies(sample.features.incident_energy_mev)):
        a, b = (f.table()["Etot / Einc"][f.incident_energy_mev == energy] for f in (reference[0], other[0]))
        if len(a):
            found[f"Etot / Einc at E = {energy:g} MeV"] = compare(a, b, response_edges(sample.detector, index))
    return found


def separation_floor(
    reference: Binned, training: Binned, n: int, bins: Mapping[str, Edges], voxels: Edges, splits: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Mean and spread of each separation power between n Geant4 showers of the reference and n of the training part."""
    found: dict[str, list[float]] = {}
    for split in range(splits):
        rng = numpy_generator(seed, "evaluation.separation-floor", split)
        parts = [part.rows(rng.choice(len(part.sample), n, replace=False)) for part in (reference, training)]
        for name, comparison in separations(parts[0], parts[1], bins, voxels, reference.sample).items():
            found.setdefault(name, []).append(comparison.separation)
    return {name: (float(np.mean(values)), float(np.std(values))) for name, values in found.items()}


def kind_of(name: str) -> str:
    """The observable without its layer or energy: 'EC eta layer 3' is of kind 'EC eta'."""
    return name.split(" layer ")[0].split(" third ")[0].split(" at E = ")[0]
