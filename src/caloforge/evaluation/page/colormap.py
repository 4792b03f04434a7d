"""Colour scales of pictures: one of amounts, dark to bright, and one of differences, white where there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AMOUNTS = ((13, 17, 38), (48, 37, 104), (116, 42, 122), (186, 54, 107), (236, 98, 77), (252, 165, 73), (253, 236, 160))
DIFFERENCES = (
    (12, 74, 134),
    (74, 137, 191),
    (165, 203, 228),
    (246, 246, 246),
    (244, 186, 166),
    (214, 96, 94),
    (142, 18, 48),
)
NOTHING = (128, 128, 128)


def scale(points: tuple[tuple[int, int, int], ...], steps: int = 64) -> NDArray[np.uint8]:
    """Colours (steps + 1, 3) through the given ones; the last stands for no value."""
    place = np.linspace(0, len(points) - 1, steps)
    table = np.array(points, dtype=np.float64)
    found = [np.interp(place, np.arange(len(points)), table[:, channel]) for channel in range(3)]
    return np.concatenate([np.stack(found, axis=1), [NOTHING]]).round().astype(np.uint8)


def indices(values: NDArray[np.float64], low: float, high: float, steps: int = 64) -> NDArray[np.uint8]:
    """Index into `scale` of every value; those beyond the ends take the ends, what is not finite the last."""
    part = np.clip((np.nan_to_num(values, nan=low) - low) / ((high - low) or 1.0), 0.0, 1.0)
    return np.where(np.isfinite(values), np.rint(part * (steps - 1)), steps).astype(np.uint8)
