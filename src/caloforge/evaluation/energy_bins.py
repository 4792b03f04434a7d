"""Bins of the incident energy, and the AUC of a classifier in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.evaluation.scores import auc, bootstrap_error
from caloforge.observables import discrete_energies
from caloforge.randomness import numpy_generator

Floats = NDArray[np.float64]
BINS, RESAMPLINGS = 6, 200


def energy_bins(incident_energy_mev: NDArray[np.floating[Any]], bins: int = BINS) -> Floats:
    """Edges (B + 1,) in MeV of bins of the reference's incident energies (N,).

    One bin for each energy where the reference has discrete ones, with edges at their geometric means; otherwise
    `bins` bins of equally many showers. Raises CaloforgeError for no energies and for ones not positive and finite.
    """
    energies = np.asarray(incident_energy_mev, dtype=np.float64).reshape(-1)
    if len(energies) == 0 or not (np.isfinite(energies).all() and (energies > 0).all()):
        raise CaloforgeError(
            f"There are {len(energies)} incident energies from {energies.min(initial=np.inf)} on, expected at least "
            "one, all positive and finite; give a sample with energies in MeV."
        )
    discrete = np.asarray(discrete_energies(energies), dtype=np.float64)
    if len(discrete):
        ratio = np.sqrt(discrete[1:] / discrete[:-1])
        outer = float(ratio.min(initial=np.sqrt(2.0)))
        return np.concatenate([[discrete[0] / outer], discrete[:-1] * ratio, [discrete[-1] * outer]])
    edges = np.unique(np.quantile(energies, np.linspace(0, 1, bins + 1)))
    return edges if len(edges) > 1 else edges[0] * np.array([1 / np.sqrt(2.0), np.sqrt(2.0)])


def checked_edges(edges: Sequence[float] | Floats) -> Floats:
    """The edges (B + 1,) in MeV; raises CaloforgeError unless there are two or more that increase."""
    found = np.asarray(edges, dtype=np.float64)
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all() or (np.diff(found) <= 0).any():
        raise CaloforgeError(
            f"The edges of the energy bins are {np.ravel(found).tolist()}, expected at least two finite, increasing "
            "numbers in MeV; give others."
        )
    return found


def members(values: NDArray[np.floating[Any]], edges: NDArray[np.floating[Any]]) -> Iterator[NDArray[np.int64]]:
    """Rows of each bin of values (N,) with edges (B + 1,): from its lower edge on to below its upper one; the last bin
    holds its upper edge too.
    """
    values = np.asarray(values, dtype=np.float64).reshape(-1)
    place = np.searchsorted(edges, values, side="right") - 1
    place[values == edges[-1]] = len(edges) - 2
    for index in range(len(edges) - 1):
        yield np.flatnonzero(place == index)


def auc_by_energy(
    scores: NDArray[np.floating[Any]],
    labels: NDArray[np.bool_],
    incident_energy_mev: NDArray[np.floating[Any]],
    edges: Sequence[float] | Floats,
    floor: Sequence[dict[str, Any]] | None = None,
    resamplings: int = RESAMPLINGS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """AUC of one classifier in each bin of the incident energy, from its pooled scores of showers it has not seen.

    scores, labels (True: Geant4), incident_energy_mev: (N,), any number of seeds pooled as they come; edges: (B + 1,)
    in MeV; floor: what this function says of Geant4 against Geant4, with the same edges. Each entry has low_mev,
    high_mev, n (showers of the smaller class), auc and its bootstrap error auc_error (None where a class is empty), and
    floor. Raises CaloforgeError for other shapes, scores that are not finite, and a floor with other bins.
    """
    edges = checked_edges(edges)
    values: Floats = np.asarray(scores, dtype=np.float64)
    labels = np.asarray(labels, dtype=np.bool_)
    energies = np.asarray(incident_energy_mev, dtype=np.float64).reshape(-1)
    if not values.shape == labels.shape == energies.shape or values.ndim != 1 or not np.isfinite(values).all():
        raise CaloforgeError(
            f"There are scores {values.shape}, labels {labels.shape} and energies {energies.shape}, expected as many "
            "of each in one dimension, with finite scores; pass a row for each shower."
        )
    if floor is not None and [entry["low_mev"] for entry in floor] != [float(edge) for edge in edges[:-1]]:
        raise CaloforgeError("The floor has other bins than the AUC, expected the same edges; take both with one set.")
    found: list[dict[str, Any]] = []
    for index, rows in enumerate(members(energies, edges)):
        n = int(min(np.count_nonzero(labels[rows]), np.count_nonzero(~labels[rows])))
        entry: dict[str, Any] = {"low_mev": float(edges[index]), "high_mev": float(edges[index + 1]), "n": n}
        entry |= {"auc": None, "auc_error": None, "floor": None if floor is None else floor[index]["auc"]}
        if n:
            rng = numpy_generator(seed, "evaluation.auc_by_energy", index)
            entry["auc"] = auc(values[rows], labels[rows])
            entry["auc_error"] = bootstrap_error(values[rows], labels[rows], resamplings, rng) if n > 1 else None
        found.append(entry)
    return found
