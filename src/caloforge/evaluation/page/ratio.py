"""Values over Geant4's, as the lower half of a figure shows them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ratio(values: Floats, expected: Floats) -> Floats:
    """Values over what is expected, both of one shape; NaN where nothing is."""
    found: Floats = np.divide(values, expected, out=np.full(expected.shape, np.nan), where=expected > 0)
    return found


def half_height(ratios: Iterable[Floats]) -> float:
    """Half the height of an axis around 1 that holds nine tenths of the first of the ratios (B,) that has values."""
    known = (found[np.isfinite(found)] for found in ratios)
    first = next((found for found in known if len(found)), None)
    off = np.inf if first is None else np.quantile(np.abs(first - 1), 0.9)
    return next((half for half in (0.05, 0.1, 0.2, 0.5) if off <= half), 1.0)
