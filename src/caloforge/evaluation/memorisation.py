"""Does a generator repeat its training showers? Nearest neighbours, scale and symmetry of the detector aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.threads import in_order

Floats = NDArray[np.floating[Any]]
QUERIES, KNOWN = 512, 4096


@dataclass(frozen=True)
class Memorisation:
    """close: fraction of the generated showers that are nearer to a training shower than 99 % of unseen Geant4 ones
    are (1 % is expected); median_ratio: median nearest distance over that of unseen Geant4 showers; found: verdict."""

    close: float
    median_ratio: float
    found: bool

    def as_dict(self) -> dict[str, float | bool]:
        """For a result file."""
        return dict(vars(self))


def nearest_distances(
    showers_mev: Floats, training_mev: Floats, detector: Detector, threads: int | None = None
) -> NDArray[np.float64]:
    """Distance of each shower (N, V) to the nearest of the training showers (M, V) and their mirror images, (N,).

    Distance (Hellinger's) between the square roots of the energy fractions of the voxels: from 0 to sqrt 2, which an
    empty shower has. The nearest is sought in float32, by blocks, and its distance taken in float64; the result does
    not depend on the number of threads. Raises CaloforgeError for no training showers, another number of voxels, and
    deposits that are negative or not finite.
    """
    query, known = (
        _roots(name, part, detector) for name, part in (("showers", showers_mev), ("training", training_mev))
    )
    if not len(known):
        raise CaloforgeError("There are no training showers to be near to, expected at least one; give a fuller file.")
    orders = detector.views()

    def nearest(start: int) -> NDArray[np.float64]:
        block = query[start : start + QUERIES]
        best = np.full(len(block), -np.inf, dtype=np.float32)
        view, place = np.zeros(len(block), dtype=np.int64), np.zeros(len(block), dtype=np.int64)
        for index, order in enumerate(orders):
            turned = block[:, order] if index else block
            for first in range(0, len(known), KNOWN):
                products = turned @ known[first : first + KNOWN].T
                found = products.argmax(axis=1)
                largest = products[np.arange(len(block)), found]
                nearer = largest > best
                best[nearer], view[nearer], place[nearer] = largest[nearer], index, found[nearer] + first
        rows = np.arange(start, start + len(block))
        one = _normalised(np.take_along_axis(np.asarray(showers_mev)[rows], orders[view], axis=1))
        two = _normalised(np.asarray(training_mev)[place])
        distances: NDArray[np.float64] = np.sqrt(np.clip(2.0 - 2.0 * np.einsum("ij,ij->i", one, two), 0.0, None))
        return distances

    with threadpool_limits(1, user_api="blas"):
        parts = list(in_order(nearest, range(0, len(query), QUERIES), threads))
    return np.concatenate(parts) if parts else np.zeros(0)


def _normalised(deposits: Floats) -> NDArray[np.float64]:
    """Square roots of energy fractions in float64."""
    values = np.sqrt(np.asarray(deposits, dtype=np.float64))
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    np.divide(values, norm, out=values, where=norm > 0)
    return values


def _roots(name: str, deposits: Floats, detector: Detector) -> NDArray[np.float32]:
    """Square roots of energy fractions in float32, made in blocks."""
    array = np.asarray(deposits)
    if array.ndim != 2 or array.shape[1] != detector.n_voxels:
        raise CaloforgeError(
            f"The {name} have shape {array.shape}, expected (showers, {detector.n_voxels}) for detector "
            f"'{detector.name}'; pass one row of voxels per shower."
        )
    found = np.empty(array.shape, dtype=np.float32)
    for start in range(0, len(array), QUERIES):
        part = array[start : start + QUERIES]
        if not (np.isfinite(part).all() and (part >= 0).all()):
            raise CaloforgeError(
                f"The {name} have deposits that are negative or not finite from row {start} on, expected finite ones "
                "from 0 on; leave out such showers or generate them again."
            )
        found[start : start + QUERIES] = _normalised(part)
    return found


def memorisation(generated: NDArray[np.float64], reference: NDArray[np.float64]) -> Memorisation:
    """Verdict from the nearest distances of generated and of unseen Geant4 showers to the same training showers.

    The unseen showers are the floor: a generator that has learned nothing by heart is as far away as they are. Raises
    CaloforgeError where either has no showers or a distance that is not finite.
    """
    for name, values in (("generated", generated), ("reference", reference)):
        if not len(values) or not np.isfinite(values).all():
            raise CaloforgeError(
                f"The {name} showers have {len(values)} nearest distances, expected at least one, all finite; "
                "take them with nearest_distances."
            )
    limit = float(np.quantile(reference, 0.01))
    close = float(np.mean(generated < limit))
    ratio = float(np.median(generated) / max(float(np.median(reference)), 1e-12))
    n = len(generated)
    return Memorisation(close, ratio, bool(close > 0.01 + 5 * np.sqrt(0.01 * 0.99 / n) + 0.02))
