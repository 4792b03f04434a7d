"""Two histograms with the same edges compared: separation power and its error, chi2, Wasserstein distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.observables import comparison_kernel
from caloforge.observables.bootstrap import (
    block_sums,
    blocks_drawn_again,
    draws,
    scatter_of_noise,
    without_doubled_noise,
)
from caloforge.observables.wasserstein import wasserstein_of_counts

Array = NDArray[np.floating]
Counts = NDArray[np.int64]
RESAMPLINGS = 100
BLOCKS = 200


@dataclass(frozen=True)
class Comparison:
    """Two histograms with the same edges.

    separation:  separation power, eq. 15 of arXiv 2009.03796, in [0, 1]; what lies outside the edges is ignored.
    error:       its statistical error, by a bootstrap over the showers of both sides (`without_doubled_noise`).
    chi2_ndf:    chi2 of the two shapes with the errors of both, over the degrees of freedom; None where one is empty.
    wasserstein: Wasserstein-1 distance in the observable's unit, inside and outside; None without values.
    edges:       (B + 1,).
    reference_counts, generated_counts:   per bin, (B,).
    reference_outside, generated_outside: counts (below, above) the edges.
    reference_entries, generated_entries: all values, also those that are not finite.
    note:        what is unusual about them, or nothing.
    """

    separation: float
    error: float
    chi2_ndf: float | None
    wasserstein: float | None
    edges: NDArray[np.float64]
    reference_counts: Counts
    generated_counts: Counts
    reference_outside: tuple[int, int]
    generated_outside: tuple[int, int]
    reference_entries: int
    generated_entries: int
    note: str

    @property
    def outside(self) -> dict[str, list[float]]:
        """Fractions of the entries below and above the edges, for `reference` and `generated`."""
        sides = {
            "reference": (self.reference_outside, self.reference_entries),
            "generated": (self.generated_outside, self.generated_entries),
        }
        return {name: [count / max(entries, 1) for count in counts] for name, (counts, entries) in sides.items()}


def separation_of_counts(reference: Counts, generated: Counts) -> tuple[float, str]:
    """Separation power of two rows of counts, eq. 15 of arXiv 2009.03796, and a note about empty histograms.

    Each histogram is normalised to the entries inside its range. One side empty gives 1, both empty 0.
    """
    n_reference, n_generated = int(reference.sum()), int(generated.sum())
    if not n_reference and not n_generated:
        return 0.0, "both histograms are empty"
    if not n_reference or not n_generated:
        return 1.0, f"the {'generated' if n_reference else 'reference'} histogram is empty"
    return float(_separations(reference[None], generated[None])[0]), ""


def _separations(one: NDArray[Any], two: NDArray[Any]) -> NDArray[np.float64]:
    """Separation powers of rows of counts (R, B), none of them empty or else without meaning."""
    h1, h2 = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) for counts in (one, two))
    found: NDArray[np.float64] = 0.5 * np.sum((h1 - h2) ** 2 / (h1 + h2 + 1e-16), axis=1)
    return found


def compare(
    reference: Array, generated: Array, edges: Array, *, resamplings: int = RESAMPLINGS, seed: int = 0
) -> Comparison:
    """Compare two arrays of values (any shape), one per shower, in bins with the same edges.

    The last bin holds its upper edge. Values that are not finite are in no bin, which the note says. The error is a
    bootstrap over the showers: both rows of counts are drawn again, as from their multinomial laws; `resamplings` = 0
    leaves it out (error 0). The Wasserstein distance is exact.
    """
    bins = np.asarray(edges).astype(np.float64)
    one, two = _sorted(reference), _sorted(generated)
    tables = draws(len(bins) - 1, resamplings, seed)
    first, second, error, distance = comparison_kernel.compared(one, two, bins, *tables)
    inside = [first[1:-1], second[1:-1]]
    if resamplings:
        error = without_doubled_noise(float(error), scatter_of_noise(*inside))
    pooled = (inside[0] + inside[1]) / max(float(inside[0].sum()) * float(inside[1].sum()), 1.0)
    entries = np.size(reference), np.size(generated)
    wasserstein = float(distance) if len(one) and len(two) else None
    return _comparison([first, second], bins, entries, float(error), _chi2_ndf(inside, pooled), wasserstein)


def compare_counts(
    reference: NDArray[np.integer], generated: NDArray[np.integer], edges: Array, *,
    resamplings: int = RESAMPLINGS, seed: int = 0,
) -> Comparison:  # fmt: skip
    """Compare what showers with many entries each have in every bin: counts (N, B + 2), with below and above.

    The entries of a shower are not independent, so the error draws blocks of showers (of one where there are few),
    and chi2 takes the variance from shower to shower. The Wasserstein distance is that of entries spread evenly over
    their bins, without those outside.
    """
    bins = np.asarray(edges).astype(np.float64)
    sides = (reference, generated)
    counted = [side.sum(axis=0, dtype=np.int64) for side in sides]
    error = 0.0
    if resamplings and all(len(side) > 1 for side in sides):
        blocks = [block_sums(side[:, 1:-1], BLOCKS) for side in sides]
        pooled = np.concatenate([part / len(side) * len(part) for part, side in zip(blocks, sides, strict=True)])
        scatter = []
        for laws, first in ((blocks, 0), ([pooled, pooled], 2)):
            rows = (
                blocks_drawn_again(law, len(part), resamplings, seed, first + k)
                for k, (law, part) in enumerate(zip(laws, blocks, strict=True))
            )
            scatter.append(float(np.std(_separations(*rows), ddof=1)))
        error = without_doubled_noise(*scatter)
    inside = [counts[1:-1] for counts in counted]
    one, two = (
        _shower_variance(side[:, 1:-1]) / max(int(counts.sum()), 1) ** 2
        for side, counts in zip(sides, inside, strict=True)
    )
    entries = int(counted[0].sum()), int(counted[1].sum())
    wasserstein = wasserstein_of_counts(inside[0], inside[1], bins)
    return _comparison(counted, bins, entries, error, _chi2_ndf(inside, one + two), wasserstein)


def separation_power(a: Array, b: Array, bins: Array) -> float:
    """Separation power of two arrays of values in the bins with the given edges: 0 equal, 1 without overlap."""
    return compare(a, b, bins, resamplings=0).separation


def _sorted(values: Array) -> NDArray[np.float64]:
    """The finite values in order."""
    found = np.sort(np.asarray(values, dtype=np.float64), axis=None)
    if len(found) and not (np.isfinite(found[0]) and np.isfinite(found[-1])):
        found = found[np.isfinite(found)]
    return found


def _shower_variance(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Variance of the sum over the showers (N, B) of their counts, per bin."""
    n = len(counts)
    total: NDArray[np.float64] = counts.sum(axis=0, dtype=np.float64)
    if n < 2:
        return total
    squares = np.einsum("nb,nb->b", counts, counts, dtype=np.float64)
    found: NDArray[np.float64] = np.maximum(squares - total**2 / n, 0.0) * n / (n - 1)
    return found


def _chi2_ndf(counts: list[Counts], variance: NDArray[np.float64]) -> float | None:
    """Chi2 of two normalised histograms over its degrees of freedom, given the variance of their difference (B,).

    Of counts with one entry per shower, pooled: chi2 of the 2 x B contingency table (arXiv physics/0605123, eq. 5).
    """
    one, two = (int(row.sum()) for row in counts)
    if not one or not two:
        return None
    difference = counts[0] / one - counts[1] / two
    filled = variance > 0
    return float(np.sum(difference[filled] ** 2 / variance[filled]) / max(int(np.count_nonzero(filled)) - 1, 1))


def _comparison(
    counted: list[Counts], edges: NDArray[np.float64], entries: tuple[int, int], error: float,
    chi2_ndf: float | None, wasserstein: float | None,
) -> Comparison:  # fmt: skip
    separation, note = separation_of_counts(counted[0][1:-1], counted[1][1:-1])
    notes = [note] if note else []
    for name, counts, n in zip(("reference", "generated"), counted, entries, strict=True):
        lost = n - int(counts.sum())
        if lost:
            notes.append(f"{lost} {name} value{'s are' if lost > 1 else ' is'} not finite")
    return Comparison(
        separation,
        0.0 if note else error,
        chi2_ndf,
        wasserstein,
        edges,
        counted[0][1:-1],
        counted[1][1:-1],
        (int(counted[0][0]), int(counted[0][-1])),
        (int(counted[1][0]), int(counted[1][-1])),
        entries[0],
        entries[1],
        "; ".join(notes),
    )
