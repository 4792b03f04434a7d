"""Weights p/(1-p) of a classifier: where a model puts too many showers, and where too few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.evaluation.energy_bins import members
from caloforge.observables import Features

Floats = NDArray[np.floating]
LIMIT = 100.0
"""Weights are cut at this and at its inverse: a calibrated probability of a few showers knows no more."""

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
LARGEST_SHOWN = 10
ENERGY = "Einc"


def weights_of(probabilities: Floats, limit: float = LIMIT) -> Floats:
    """w = p / (1 - p) of calibrated probabilities (N,) of being Geant4, within [1 / limit, limit].

    It estimates the ratio of the densities of Geant4 and of the model: below 1 the model puts too much there.
    Raises CaloforgeError for probabilities outside of 0 to 1.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if not np.all((p >= 0) & (p <= 1)):
        raise CaloforgeError("probabilities lie outside of 0 to 1 or are not finite; pass calibrated ones.")
    least = 1.0 / (1.0 + limit)
    p = np.clip(p, least, 1.0 - least)
    return p / (1.0 - p)


def effective_size(weights: Floats) -> float:
    """(sum w)^2 / sum w^2 of weights (N,): as many equally weighted showers would tell as much."""
    return float(np.sum(weights) ** 2 / np.sum(weights**2))


@dataclass(frozen=True)
class Region:
    """A bin of an observable and the mean weight of the generated showers in it."""

    observable: str
    low: float
    high: float
    n: int
    mean_weight: float
    error: float


@dataclass(frozen=True)
class Shift:
    """How far the distribution of an observable differs between the showers of low and of high weight.

    distance: Kolmogorov and Smirnov's, 0 to 1; low_median, high_median: of the quarters of lowest and highest weight.
    """

    observable: str
    distance: float
    low_median: float
    high_median: float


def mean_weight_by(values: Floats, weights: Floats, edges: Floats, observable: str = "") -> list[Region]:
    """Mean weight and its error in each bin of an observable (N,); bins with fewer than 2 showers are left out."""
    found = []
    for (low, high), rows in zip(pairwise(edges.tolist()), members(values, edges), strict=True):
        if len(rows) >= 2:
            inside = weights[rows]
            error = float(np.std(inside, ddof=1) / np.sqrt(len(rows)))
            found.append(Region(observable, low, high, len(rows), float(inside.mean()), error))
    return found


def shifted_observables(observables: Mapping[str, Floats], weights: Floats) -> list[Shift]:
    """The observables by how far they differ between the quarters of lowest and highest weight, farthest first."""
    order = np.argsort(weights, kind="stable")
    quarter = max(1, len(order) // 4)
    low, high = order[:quarter], order[-quarter:]
    found = []
    for name, values in observables.items():
        one, two = np.sort(values[low]), np.sort(values[high])
        everywhere = np.concatenate([one, two])
        apart = np.searchsorted(one, everywhere, "right") - np.searchsorted(two, everywhere, "right")
        distance = float(np.abs(apart).max() / quarter)
        found.append(Shift(name, distance, float(np.median(one)), float(np.median(two))))
    return sorted(found, key=lambda shift: -shift.distance)


def weight_table(
    classifier: str, features: Features, probabilities: Floats, *, bins: int = 8, limit: float | None = None
) -> dict[str, Any]:
    """What the weights of generated showers say, as plain numbers for a result file.

    features: of the N generated showers; probabilities: (N,), calibrated, of being Geant4. Energies in MeV, lengths in
    mm. Keys:

    classifier, n, limit, cut: weights are cut at `limit`, by default LIMIT or the root of N where that is less, and
        its inverse; `cut` is the fraction of them that were;
    mean, quantiles, effective_size: of the weights; the mean is 1 where the classifier is calibrated;
    energies: mean weights in bins of incident energy;
    too_much, too_little: bins of the observables whose mean weight is farthest below and above that of all, in units of
        its error and by more than two of them, at most one bin of an observable, the worst first;
    shifted: the observables that differ most between low and high weights;
    layers: the largest such distance in each layer.

    Raises CaloforgeError for unequal lengths or fewer than 20 showers.
    """
    n = len(features)
    if n != len(probabilities) or n < 20:
        raise CaloforgeError(
            f"There are {n} showers with features and {len(probabilities)} probabilities, expected equally many and at "
            "least 20; pass those of the validation part."
        )
    limit = min(LIMIT, float(np.sqrt(n))) if limit is None else limit
    weights = weights_of(probabilities, limit)
    observables = features.table()
    incident = features.incident_energy_mev
    energies = mean_weight_by(incident, weights, _edges(incident, bins), ENERGY)
    regions = [region for name, values in observables.items() for region in _binned(name, values, weights, bins)]
    shifts = shifted_observables({ENERGY: incident, **observables}, weights)
    cut = np.mean((weights <= 1.0 / limit * (1 + 1e-9)) | (weights >= limit * (1 - 1e-9)))
    return {
        "classifier": classifier,
        "n": n,
        "limit": limit,
        "cut": float(cut),
        "mean": float(weights.mean()),
        "quantiles": {
            str(q): float(value) for q, value in zip(QUANTILES, np.quantile(weights, QUANTILES), strict=True)
        },
        "effective_size": effective_size(weights),
        "energies": [asdict(region) for region in energies],
        "too_much": _farthest([*energies, *regions], weights, -1.0),
        "too_little": _farthest([*energies, *regions], weights, 1.0),
        "shifted": [asdict(shift) for shift in shifts[:LARGEST_SHOWN]],
        "layers": _layers(shifts, features.layer_names),
    }


def weight_histogram(
    reference: Floats, generated: Floats, edges: Floats | None = None, limit: float = LIMIT
) -> dict[str, list[float]]:
    """Fractions of the weights of both sides in logarithmic bins: {"edges", "reference", "generated"}.

    reference, generated: weights (N,), (M,) as `weights_of` gives them. Their distributions coincide where the
    classifier cannot tell the two apart.
    """
    edges = np.geomspace(1.0 / limit, limit, 41) if edges is None else np.asarray(edges, dtype=np.float64)
    inner = (edges[0], edges[-1])
    parts = [np.histogram(np.clip(side, *inner), edges)[0] / max(1, len(side)) for side in (reference, generated)]
    return {"edges": edges.tolist(), "reference": parts[0].tolist(), "generated": parts[1].tolist()}


def _edges(values: Floats, bins: int) -> Floats:
    """Edges between quantiles, so that bins hold about equally many; fewer where values repeat."""
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, bins + 1)))
    return edges if len(edges) > 1 else np.array([edges[0], np.nextafter(edges[0], np.inf)])


def _binned(name: str, values: Floats, weights: Floats, bins: int) -> list[Region]:
    return mean_weight_by(values, weights, _edges(values, bins), name)


def _farthest(regions: list[Region], weights: Floats, sign: float) -> list[dict[str, Any]]:
    mean, spread = float(weights.mean()), float(weights.std()) + 1e-12

    def significance_of(region: Region) -> float:
        error = max(region.error, spread / np.sqrt(region.n))
        return float(sign * (region.mean_weight - mean) / error)

    ranked = sorted(((significance_of(region), region) for region in regions), key=lambda pair: -pair[0])
    found: dict[str, Region] = {}
    for significance, region in ranked:
        if significance > 2.0 and region.observable not in found:
            found[region.observable] = region
    return [asdict(region) for region in list(found.values())[:LARGEST_SHOWN]]


def _layers(shifts: list[Shift], names: tuple[str, ...]) -> dict[str, float]:
    found = dict.fromkeys(names, 0.0)
    for shift in shifts:
        _, _, layer = shift.observable.partition(" layer ")
        if layer in found:
            found[layer] = max(found[layer], shift.distance)
    return found
