"""Two samples of features: what they must be to be compared, and the scale of FPD and KPD."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError

Features = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
COMPARABLE_SHOWERS = 50_000


def comparable(reference: Features, generated: Features) -> bool:
    """Whether FPD and KPD of these samples may stand beside published ones: both of at least 50,000 showers."""
    return min(len(reference), len(generated)) >= COMPARABLE_SHOWERS


def checked_pair(reference: Features, generated: Features, keep_float32: bool = False) -> tuple[Any, Any]:
    """Both (N, d) and (M, d) in float64 (or float32 as they came); raises CaloforgeError unless they are finite and
    have two rows or more."""
    found = []
    for name, values in (("reference", reference), ("generated", generated)):
        array = np.asarray(values)
        if not (keep_float32 and array.dtype == np.float32):
            array = np.asarray(values, dtype=np.float64)
        if array.ndim != 2 or len(array) < 2 or array.shape[1] < 1:
            raise CaloforgeError(
                f"The {name} features have shape {array.shape}, expected (showers, features) with at least two "
                "showers; pass a row for each shower."
            )
        bad = ~np.isfinite(array).all(axis=1)
        if bad.any():
            raise CaloforgeError(
                f"The {name} features of shower {int(np.argmax(bad))} are not finite, expected finite ones; leave out "
                "such showers or generate them again."
            )
        found.append(array)
    if found[0].shape[1] != found[1].shape[1]:
        raise CaloforgeError(
            f"The reference has {found[0].shape[1]} features and the generated sample {found[1].shape[1]}, expected "
            "equally many; take both from the same detector and vector."
        )
    return found[0], found[1]


def scaled_pair(reference: Floats, generated: Floats) -> tuple[Floats, Floats]:
    """Both divided by the reference's largest magnitude of each feature; a feature that is zero stays as it is."""
    scale = np.abs(reference).max(axis=0)
    scale[scale == 0] = 1
    return reference / scale, generated / scale
