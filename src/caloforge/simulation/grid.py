"""A detector's grid as flat tables, and the kernel that puts hits into its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CylindricalLayer, Detector
from caloforge.errors import CaloforgeError

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """A detector's layers as numbers for the kernel.

    fronts_mm, backs_mm: depths of the L layers, (L,).
    shapes:              per layer (first voxel, 1 for cylindrical, number of first and of second edges), (L, 4).
    edges_mm:            where each layer's edges begin in `edges`, (L, 2); `edges` holds r edges, or x and y edges.
    """

    fronts_mm: Doubles
    backs_mm: Doubles
    shapes: Integers
    starts: Integers
    edges_mm: Doubles
    n_voxels: int

    @staticmethod
    def of(detector: Detector) -> Grid:
        """The grid of a detector whose layers' depths are known and do not overlap; raises CaloforgeError otherwise."""
        edges: list[float] = []
        shapes, starts = [], []
        depths: list[tuple[float, float]] = []
        for layer, first in zip(detector.layers, detector.offsets[:-1], strict=True):
            if layer.front_mm is None or layer.back_mm is None:
                raise CaloforgeError(
                    f"Layer '{layer.name}' of '{detector.name}' has no depth, so that no hit can be put into it; "
                    "give front_mm and back_mm of every layer."
                )
            if depths and layer.front_mm < depths[-1][1] - 1e-9:
                raise CaloforgeError(
                    f"Layer '{layer.name}' of '{detector.name}' begins at {layer.front_mm} mm, before the previous one "
                    f"ends ({depths[-1][1]} mm); put layers in order of depth."
                )
            depths.append((layer.front_mm, layer.back_mm))
            if isinstance(layer, CylindricalLayer):
                one, two = list(layer.r_edges_mm), []
                shapes.append((first, 1, len(one), layer.n_alpha))
            else:
                one, two = list(layer.x_edges_mm), list(layer.y_edges_mm)
                shapes.append((first, 0, len(one), len(two)))
            starts.append((len(edges), len(edges) + len(one)))
            edges += [*one, *two]
        fronts, backs = np.array(depths).T
        return Grid(
            np.ascontiguousarray(fronts),
            np.ascontiguousarray(backs),
            np.array(shapes, dtype=np.int64),
            np.array(starts, dtype=np.int64),
            np.array(edges),
            detector.n_voxels,
        )

    def add(
        self, hits: Doubles, origin_mm: Doubles, axes: Doubles, turn: float, deposits: Doubles, overflow: Doubles
    ) -> None:
        """Add hits (n, 4) = (x, y, z in mm, energy) to deposits (V,) and, beside the grid, to overflow (L,).

        Coordinates in the grid are axes (3, 3) @ (position - origin), turned about the depth by `turn` in rad.
        """
        _add(
            hits,
            origin_mm,
            axes,
            turn,
            self.fronts_mm,
            self.backs_mm,
            self.shapes,
            self.starts,
            self.edges_mm,
            deposits,
            overflow,
        )


@numba.njit(cache=True, nogil=True)
def _bin(value: Any, edges: Any) -> Any:
    """Index of the bin that holds a value, lower edge included; -1 outside."""
    if value < edges[0] or value >= edges[-1]:
        return -1
    return np.searchsorted(edges, value, side="right") - 1


@numba.njit(cache=True, nogil=True)
def _add(
    hits: Any,
    origin: Any,
    axes: Any,
    turn: Any,
    fronts: Any,
    backs: Any,
    shapes: Any,
    starts: Any,
    edges: Any,
    deposits: Any,
    overflow: Any,
) -> None:
    cos, sin = np.cos(turn), np.sin(turn)
    for i in range(len(hits)):
        a, b, c = hits[i, 0] - origin[0], hits[i, 1] - origin[1], hits[i, 2] - origin[2]
        depth = axes[2, 0] * a + axes[2, 1] * b + axes[2, 2] * c
        layer = np.searchsorted(fronts, depth, side="right") - 1
        if layer < 0 or depth >= backs[layer]:
            continue
        u = axes[0, 0] * a + axes[0, 1] * b + axes[0, 2] * c
        v = axes[1, 0] * a + axes[1, 1] * b + axes[1, 2] * c
        x, y = cos * u - sin * v, sin * u + cos * v
        first, cylindrical, n_one, n_two = shapes[layer]
        one = edges[starts[layer, 0] : starts[layer, 0] + n_one]
        if cylindrical:
            fast = _bin(np.sqrt(x * x + y * y), one)
            slow = min(int((np.arctan2(y, x) + np.pi) / (2 * np.pi) * n_two), n_two - 1)
            size = n_one - 1
        else:
            slow = _bin(x, one)
            fast = _bin(y, edges[starts[layer, 1] : starts[layer, 1] + n_two])
            size = n_two - 1
        if slow < 0 or fast < 0:
            overflow[layer] += hits[i, 3]
        else:
            deposits[first + slow * size + fast] += hits[i, 3]
