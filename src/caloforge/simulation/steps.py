"""Which point of a step decides its voxel."""

from __future__ import annotations

PRESTEP, MIDPOINT, POSTSTEP = "prestep", "midpoint", "poststep"

POINTS: dict[str, float] = {PRESTEP: 1e-6, MIDPOINT: 0.5, POSTSTEP: 1 - 1e-6}
"""How far along its step a hit lies.

A step begins and ends on boundaries, where rounding would decide on which side; a millionth of the step inside, its
ends lie in the volume where the energy was lost.
"""
