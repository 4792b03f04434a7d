"""Separation power of two histograms, with its rules for empty ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Comparison:
    """Two histograms with the same edges.

    separation: number in [0, 1]; counts: per bin; outside: fraction of the values in neither bin; note: what is
    unusual about them, or nothing.
    """

    separation: float
    edges: NDArray[np.float64]
    reference_counts: NDArray[np.int64]
    generated_counts: NDArray[np.int64]
    reference_outside: float
    generated_outside: float
    note: str


def separation_of_counts(reference: NDArray[np.int64], generated: NDArray[np.int64]) -> tuple[float, str]:
    """Separation power of two rows of counts, eq. 15 of arXiv 2009.03796, and a note about empty histograms.

    Each histogram is normalised to the entries inside its range. One side empty gives 1, both empty 0.
    """
    n_reference, n_generated = int(reference.sum()), int(generated.sum())
    if not n_reference and not n_generated:
        return 0.0, "both histograms are empty"
    if not n_reference or not n_generated:
        return 1.0, f"the {'generated' if n_reference else 'reference'} histogram is empty"
    h1, h2 = reference / n_reference, generated / n_generated
    return float(0.5 * np.sum((h1 - h2) ** 2 / (h1 + h2 + 1e-16))), ""


def compare(reference: Array, generated: Array, edges: Array) -> Comparison:
    """Histogram two arrays of values (any shape) with the same edges; under- and overflow are ignored but reported."""
    bins = np.asarray(edges).astype(np.float64)
    one, two = (np.histogram(values, bins=bins)[0].astype(np.int64) for values in (reference, generated))
    separation, note = separation_of_counts(one, two)
    return Comparison(
        separation,
        bins,
        one,
        two,
        1.0 - float(one.sum()) / max(np.size(reference), 1),
        1.0 - float(two.sum()) / max(np.size(generated), 1),
        note,
    )


def separation_power(a: Array, b: Array, bins: Array) -> float:
    """Separation power of two arrays of values in the bins with the given edges: 0 equal, 1 without overlap."""
    return compare(a, b, bins).separation
