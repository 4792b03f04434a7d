"""A sample to be judged: features of all its showers, and what needs whole showers, gathered in one or two passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.observables import Features, high_level
from caloforge.showers import ShowerFile, Showers

Floats = NDArray[np.floating]
Source: TypeAlias = Showers | ShowerFile
LOW_LEVEL_BYTES = 300_000_000


def chunks(source: Source, limit: int | None = None) -> Iterator[Showers]:
    """The showers of a source in chunks of bounded size, at most `limit` showers in all."""
    stop = len(source) if limit is None else min(limit, len(source))
    rows = max(1, min(1000, 40_000_000 // source.detector.n_voxels))
    for start in range(0, stop, rows):
        end = min(start + rows, stop)
        yield source.read(start, end) if isinstance(source, ShowerFile) else source[start:end]


def rows_of(source: Source, rows: NDArray[np.int64]) -> Showers:
    """The showers of the given rows, in their order."""
    if isinstance(source, Showers):
        return source[rows]
    order = np.argsort(rows, kind="stable")
    return source.read_rows(rows[order])[np.argsort(order, kind="stable")]


@dataclass(frozen=True)
class Sample:
    """What is known of one sample of N showers after reading it once.

    features: of all showers above threshold; brightest_mev: the largest deposit; mean_mev: the average shower (V,).
    """

    name: str
    source: Source
    features: Features
    brightest_mev: float
    mean_mev: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.features)

    @property
    def detector(self) -> Detector:
        """The detector of the showers."""
        return self.source.detector

    @staticmethod
    def gather(name: str, source: Source, limit: int | None = None) -> Sample:
        """Read a source in chunks; raises CaloforgeError where it is empty or not finite."""
        if len(source) == 0:
            raise CaloforgeError(f"The {name} sample is empty, expected at least one shower; give a fuller file.")
        parts, brightest = [], 0.0
        total = np.zeros(source.detector.n_voxels)
        for showers in chunks(source, limit):
            deposits = thresholded(showers)
            if not np.all(np.isfinite(deposits)):
                raise CaloforgeError(
                    f"The {name} sample has deposits that are not finite, expected finite ones; generate those again."
                )
            parts.append(high_level(deposits, showers.incident_energy_mev, source.detector))
            brightest = max(brightest, float(deposits.max(initial=0.0)))
            total += deposits.sum(axis=0, dtype=np.float64)
        features = Features.concatenate(parts)
        return Sample(name, source, features, brightest, total / len(features))

    def voxel_histograms(self, edges: Floats) -> NDArray[np.int64]:
        """Histogram of the voxel energies of every shower, (N, bins), for sums over any part of the sample."""
        found = []
        n_bins = len(edges) - 1
        for showers in chunks(self.source, len(self)):
            deposits = thresholded(showers)
            row, column = np.nonzero(deposits)
            values = deposits[row, column].astype(np.float64)
            bins = np.searchsorted(edges, values, side="right") - 1
            bins[values == edges[-1]] = n_bins - 1
            inside = (bins >= 0) & (bins < n_bins)
            flat = np.bincount(row[inside] * n_bins + bins[inside], minlength=len(showers) * n_bins)
            found.append(flat.reshape(len(showers), n_bins).astype(np.int64))
        return np.concatenate(found)

    def low_level(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Classifier input [log10 E_inc in MeV, voxel / E_inc] (rows, 1 + V), thresholded, of the official kind."""
        parts = []
        for start in range(0, len(rows), 1000):
            showers = rows_of(self.source, rows[start : start + 1000])
            energy = np.asarray(showers.incident_energy_mev, dtype=np.float64)[:, None]
            parts.append(np.concatenate([np.log10(energy), thresholded(showers) / energy], axis=1).astype(np.float32))
        return np.concatenate(parts)


def thresholded(showers: Showers) -> Floats:
    """Deposits (N, V) in MeV with voxels strictly below the detector's threshold set to zero."""
    deposits = np.asarray(showers.deposits_mev)
    below = deposits < showers.detector.threshold_mev
    return np.where(below, np.zeros((), dtype=deposits.dtype), deposits)


def affordable_rows(detector: Detector) -> int:
    """How many showers of a class the classifiers may hold in memory at once."""
    return max(250, LOW_LEVEL_BYTES // (4 * detector.n_voxels))


def paired(one: Sample, two: Sample) -> bool:
    """Whether two samples have the same incident energies row by row, as one generated like the other has."""
    a, b = one.features.incident_energy_mev, two.features.incident_energy_mev
    return len(a) == len(b) and bool(np.allclose(a, b, rtol=1e-6, atol=0.0))
