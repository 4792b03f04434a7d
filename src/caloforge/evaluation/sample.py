"""A sample to be judged: features of all its showers, and what needs whole showers, gathered in one or two passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.observables import (
    Features,
    FeatureTable,
    VoxelBins,
    features_of,
    layer_sums,
    scratch,
    voxel_counts,
)
from caloforge.showers import ShowerFile, Showers
from caloforge.threads import in_order

Floats = NDArray[np.floating]
Source: TypeAlias = Showers | ShowerFile
T = TypeVar("T")
LOW_LEVEL_BYTES = 300_000_000
CHUNK_ROWS, CHUNK_VOXELS = 1000, 10_000_000


def spans(source: Source, limit: int | None = None) -> Iterator[tuple[int, int]]:
    """First and last row (exclusive) of chunks of bounded size, at most `limit` showers in all.

    The chunks of a file end where those of the file do, so that each is decoded once.
    """
    stop = len(source) if limit is None else min(limit, len(source))
    rows = max(1, min(CHUNK_ROWS, CHUNK_VOXELS // source.detector.n_voxels))
    ahead = 0
    if isinstance(source, ShowerFile):
        rows = max(1, rows // source.block_rows) * source.block_rows
        ahead = source.first_row % source.block_rows
    for start in range(-ahead, stop, rows):
        yield max(start, 0), min(start + rows, stop)


def read(source: Source, start: int, stop: int, threads: int | None = None) -> Showers:
    """The showers of rows start to stop of a source; `threads` decode a file (all there are by default)."""
    return source.read(start, stop, threads) if isinstance(source, ShowerFile) else source[start:stop]


def chunks(source: Source, limit: int | None = None) -> Iterator[Showers]:
    """The showers of a source in chunks of bounded size, at most `limit` showers in all."""
    for start, stop in spans(source, limit):
        yield read(source, start, stop)


def each_chunk(
    source: Source, work: Callable[[int, Showers], T], limit: int | None = None, threads: int | None = None
) -> Iterator[T]:
    """work(first row, showers) of every chunk of a source, in order, the chunks read and worked by several threads.

    What `work` computes gains where it leaves the GIL: compiled loops, numpy. The chunks, and so the results, do not
    depend on the number of threads (all there are by default).
    """

    def one(span: tuple[int, int]) -> T:
        return work(span[0], read(source, *span, threads=1))

    return in_order(one, spans(source, limit), threads)


def rows_of(source: Source, rows: NDArray[np.int64]) -> Showers:
    """The showers of the given rows, in their order."""
    if isinstance(source, Showers):
        return source[rows]
    order = np.argsort(rows, kind="stable")
    return source.read_rows(rows[order])[np.argsort(order, kind="stable")]


@dataclass(frozen=True)
class Sample:
    """What is known of one sample of N showers after reading it once.

    features:      of all showers above threshold; of large samples, they lie in a temporary file.
    brightest_mev: the largest deposit.
    mean_mev:      the average shower (V,).
    threshold_mev: a voxel below it (strictly) counts as zero.
    voxels:        edges of the voxels' energies and counts (N, B + 2) of each shower, if they were asked for.
    """

    name: str
    source: Source
    features: Features
    brightest_mev: float
    mean_mev: NDArray[np.float64]
    threshold_mev: float
    voxels: tuple[NDArray[np.float64], NDArray[np.uint32]] | None = None

    def __len__(self) -> int:
        return len(self.features)

    @property
    def detector(self) -> Detector:
        """The detector of the showers."""
        return self.source.detector

    @staticmethod
    def gather(
        name: str,
        source: Source,
        limit: int | None = None,
        threshold_mev: float | None = None,
        voxel_edges: NDArray[np.float64] | None = None,
        threads: int | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> Sample:
        """Read a source once, in chunks that all cores share (or `threads`); the result does not depend on them.

        limit:         of showers, from the first on.
        threshold_mev: of the protocol; by default the detector's own.
        voxel_edges:   edges of the voxels' energies where they are known (from the reference): their histograms are
                       then taken in the same pass, else in one of their own.
        advance:       called with the number of showers of every chunk that is done.

        Raises CaloforgeError where it is empty or not finite.
        """
        if len(source) == 0:
            raise CaloforgeError(f"The {name} sample is empty, expected at least one shower; give a fuller file.")
        detector = source.detector
        threshold = detector.threshold_mev if threshold_mev is None else float(threshold_mev)
        n = len(source) if limit is None else max(1, min(limit, len(source)))
        bins = None if voxel_edges is None else VoxelBins(voxel_edges)
        table: FeatureTable | None = None
        counts = None if bins is None else scratch((n, bins.columns), np.uint32)
        brightest, total = 0.0, np.zeros(detector.n_voxels)

        def measure(start: int, showers: Showers) -> tuple[int, Features, float, Floats, NDArray[np.uint32]]:
            sums = layer_sums(showers.deposits_mev, detector, threshold, bins)
            for what, values in (("deposits", sums.energy), ("incident energies", showers.incident_energy_mev)):
                if not np.isfinite(values).all():
                    raise CaloforgeError(
                        f"The {name} sample has {what} that are not finite, expected finite ones; repair or drop these "
                        "showers."
                    )
            features = features_of(sums, showers.incident_energy_mev, detector, threshold)
            return start, features, float(sums.largest.max(initial=0.0)), sums.total_mev, sums.counts

        for start, features, largest, part, counted in each_chunk(source, measure, n, threads):
            if table is None:
                table = FeatureTable(n, features)
            table.put(start, features)
            if advance is not None:
                advance(len(features))
            brightest = max(brightest, largest)
            total += part
            if counts is not None:
                counts[start : start + len(counted)] = counted
        assert table is not None
        voxels = None if bins is None or counts is None else (bins.edges, counts)
        return Sample(name, source, table.features(), brightest, total / n, threshold, voxels)

    def with_voxels(self, edges: Floats, threads: int | None = None) -> Sample:
        """The same sample with the voxels' histograms in these edges kept; it is read once more for them."""
        bins = np.asarray(edges, dtype=np.float64)
        return replace(self, voxels=(bins, self.voxel_histograms(bins, threads)))

    def voxel_histograms(self, edges: Floats, threads: int | None = None) -> NDArray[np.uint32]:
        """Histogram of the voxel energies of every shower, (N, B + 2): below the edges, the bins, above.

        For sums over any part of the sample. The source is read again unless it was gathered with these edges.
        """
        if self.voxels is not None and np.array_equal(self.voxels[0], edges):
            return self.voxels[1]
        bins = VoxelBins(np.asarray(edges, dtype=np.float64))
        found = scratch((len(self), bins.columns), np.uint32)

        def count(start: int, showers: Showers) -> tuple[int, NDArray[Any]]:
            return start, voxel_counts(showers.deposits_mev, self.threshold_mev, bins)

        for start, part in each_chunk(self.source, count, len(self), threads):
            found[start : start + len(part)] = part
        return found

    def low_level(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Classifier input [log10 E_inc in MeV, voxel / E_inc] (rows, 1 + V), thresholded, of the official kind."""
        found = np.empty((len(rows), 1 + self.detector.n_voxels), dtype=np.float32)
        for start in range(0, len(rows), CHUNK_ROWS):
            showers = rows_of(self.source, rows[start : start + CHUNK_ROWS])
            energy = np.asarray(showers.incident_energy_mev, dtype=np.float64)[:, None]
            part = found[start : start + len(showers)]
            part[:, :1] = np.log10(energy)
            part[:, 1:] = thresholded(showers, self.threshold_mev) / energy
        return found


def thresholded(showers: Showers, threshold_mev: float | None = None) -> Floats:
    """Deposits (N, V) in MeV with voxels strictly below the threshold (the detector's by default) set to zero."""
    deposits = np.asarray(showers.deposits_mev)
    below = deposits < (showers.detector.threshold_mev if threshold_mev is None else threshold_mev)
    return np.where(below, np.zeros((), dtype=deposits.dtype), deposits)


def affordable_rows(detector: Detector) -> int:
    """How many showers of a class the classifiers may hold in memory at once."""
    return max(250, LOW_LEVEL_BYTES // (4 * detector.n_voxels))


def paired(one: Sample, two: Sample) -> bool:
    """Whether two samples have the same incident energies row by row, as one generated like the other has."""
    a, b = one.features.incident_energy_mev, two.features.incident_energy_mev
    return len(a) == len(b) and bool(np.allclose(a, b, rtol=1e-6, atol=0.0))
