"""Where a particle starts, where it flies, and how the grid lies around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Construction

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Aim:
    """One particle's start (3,) in mm and direction (3,), and the grid's origin (3,) in mm and axes (3, 3).

    The rows of `axes` are the grid's x, y and depth.
    """

    start_mm: Doubles
    direction: Doubles
    origin_mm: Doubles
    axes: Doubles


def aim(construction: Construction, theta_rad: float, phi_rad: float, shift_mm: Doubles) -> Aim:
    """The aim of a particle with these angles, shifted by (2,) mm across its direction.

    Boxes: the particle would meet the first plate at its centre, z = 0, and the grid stands still.
    Cylinder: the particle leaves the axis; depth begins where it meets the inner radius, the grid's x lies along the
    axis, and the grid follows the particle. Source: Geant4's example Par04.
    """
    sin, cos = np.sin(theta_rad), np.cos(theta_rad)
    direction = np.array([sin * np.cos(phi_rad), sin * np.sin(phi_rad), cos])
    if construction.shape == "boxes":
        entry = np.array([shift_mm[0], shift_mm[1], 0.0])
        start = entry - direction * (construction.front_mm / cos)
        return Aim(start, direction, np.zeros(3), np.eye(3))
    along = np.array([0.0, 0.0, 1.0]) - cos * direction
    along /= np.linalg.norm(along)
    across = np.cross(direction, along)
    axes = np.stack([along, across, direction])
    start = shift_mm[0] * along + shift_mm[1] * across
    return Aim(start, direction, start + direction * _way_to(construction.front_mm, start, direction), axes)


def _way_to(radius_mm: float, start: Doubles, direction: Doubles) -> float:
    """Length of the way from the start to a cylinder around the z axis."""
    d, s = direction[:2], start[:2]
    a, b, c = d @ d, d @ s, s @ s - radius_mm**2
    return float((-b + np.sqrt(b * b - a * c)) / a)
