"""The grids of one layer: cylindrical (rings and sectors) and cartesian (rows and columns)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def frozen(array: NDArray[np.float64]) -> Floats:
    """The same array, float64 and read-only, so that it can be cached and shared."""
    array = np.ascontiguousarray(array, dtype=np.float64)
    array.flags.writeable = False
    return array


def _check_edges(layer: str, axis: str, edges: tuple[float, ...]) -> tuple[float, ...]:
    numbers = tuple(float(edge) for edge in edges)
    increasing = all(a < b for a, b in pairwise(numbers))
    if len(numbers) < 2 or not increasing or not all(map(math.isfinite, numbers)):
        raise CaloforgeError(
            f"Layer '{layer}' has the {axis} edges {list(numbers)}; at least two finite, increasing numbers in mm are "
            "needed."
        )
    return numbers


def _check_depth(layer: str, front: float | None, back: float | None) -> tuple[float | None, float | None]:
    if (front is None) != (back is None):
        raise CaloforgeError(f"Layer '{layer}' has only one of front_mm and back_mm; give both, or neither.")
    if front is None or back is None:
        return None, None
    if not (math.isfinite(front) and math.isfinite(back) and front < back):
        raise CaloforgeError(f"Layer '{layer}' spans {front} to {back} mm; front_mm must be less than back_mm.")
    return float(front), float(back)


def _grid_pairs(n_slow: int, n_fast: int, wraps: bool) -> Integers:
    """Pairs (i, j) with i < j of cells that share an edge on a grid whose slow axis may close on itself."""
    index = np.arange(n_slow * n_fast, dtype=np.int64).reshape(n_slow, n_fast)
    pairs = [
        np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], axis=1),
        np.stack([index[:-1].ravel(), index[1:].ravel()], axis=1),
    ]
    if wraps and n_slow > 2:
        pairs.append(np.stack([index[0], index[-1]], axis=1))
    return np.concatenate(pairs)


@dataclass(frozen=True)
class CylindricalLayer:
    """Rings and sectors about the shower's axis; voxel index = alpha bin * n_r + r bin (CaloChallenge's order).

    `r_edges_mm` are the n_r + 1 ring edges; the `n_alpha` sectors divide -pi to pi evenly. `front_mm` and `back_mm` are
    the depths along the axis where the layer begins and ends, both None where the data do not say.

    Raises CaloforgeError for edges that do not increase and for half a depth.
    Source: CaloChallenge, code/XMLHandler.py and the binning files.
    """

    name: str
    r_edges_mm: tuple[float, ...]
    n_alpha: int
    front_mm: float | None = None
    back_mm: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "r_edges_mm", _check_edges(self.name, "r", self.r_edges_mm))
        if self.r_edges_mm[0] < 0:
            raise CaloforgeError(f"Layer '{self.name}' has the radius {self.r_edges_mm[0]} mm; start at 0 or above.")
        if int(self.n_alpha) != self.n_alpha or self.n_alpha < 1:
            raise CaloforgeError(f"Layer '{self.name}' has n_alpha = {self.n_alpha}; give a whole number from 1.")
        object.__setattr__(self, "n_alpha", int(self.n_alpha))
        front, back = _check_depth(self.name, self.front_mm, self.back_mm)
        object.__setattr__(self, "front_mm", front)
        object.__setattr__(self, "back_mm", back)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_alpha, n_r)."""
        return self.n_alpha, len(self.r_edges_mm) - 1

    @property
    def n_voxels(self) -> int:
        """n_alpha * n_r."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def r_mm(self) -> Floats:
        """Radius of each voxel's centre, the arithmetic midpoint of its ring, (n_voxels,) mm."""
        edges = np.array(self.r_edges_mm)
        return frozen(np.tile((edges[:-1] + edges[1:]) / 2, self.n_alpha))

    @cached_property
    def alpha(self) -> Floats:
        """Angle of each voxel's centre, (n_voxels,) rad between -pi and pi."""
        edges = np.linspace(-np.pi, np.pi, self.n_alpha + 1)
        return frozen(np.repeat((edges[:-1] + edges[1:]) / 2, self.shape[1]))

    @cached_property
    def x_mm(self) -> Floats:
        """r cos(alpha) of each voxel's centre, (n_voxels,) mm; CaloChallenge calls it eta."""
        return frozen(self.r_mm * np.cos(self.alpha))

    @cached_property
    def y_mm(self) -> Floats:
        """r sin(alpha) of each voxel's centre, (n_voxels,) mm; CaloChallenge calls it phi."""
        return frozen(self.r_mm * np.sin(self.alpha))

    @cached_property
    def areas_mm2(self) -> Floats:
        """Area of each voxel, (n_voxels,) mm^2."""
        edges = np.array(self.r_edges_mm)
        return frozen(np.tile((edges[1:] ** 2 - edges[:-1] ** 2) * np.pi / self.n_alpha, self.n_alpha))

    def neighbours(self) -> Integers:
        """Pairs (i, j), i < j, of voxels that share an edge, (pairs, 2); the first and the last sector touch."""
        return _grid_pairs(*self.shape, wraps=True)


@dataclass(frozen=True)
class CartesianLayer:
    """Rows and columns across the shower's axis; voxel index = x bin * n_y + y bin.

    `x_edges_mm` (n_x + 1) and `y_edges_mm` (n_y + 1) are relative to the axis; depths as in `CylindricalLayer`.

    Raises CaloforgeError for edges that do not increase and for half a depth.
    """

    name: str
    x_edges_mm: tuple[float, ...]
    y_edges_mm: tuple[float, ...]
    front_mm: float | None = None
    back_mm: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "x_edges_mm", _check_edges(self.name, "x", self.x_edges_mm))
        object.__setattr__(self, "y_edges_mm", _check_edges(self.name, "y", self.y_edges_mm))
        front, back = _check_depth(self.name, self.front_mm, self.back_mm)
        object.__setattr__(self, "front_mm", front)
        object.__setattr__(self, "back_mm", back)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_x, n_y)."""
        return len(self.x_edges_mm) - 1, len(self.y_edges_mm) - 1

    @property
    def n_voxels(self) -> int:
        """n_x * n_y."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def x_mm(self) -> Floats:
        """x of each voxel's centre, (n_voxels,) mm."""
        edges = np.array(self.x_edges_mm)
        return frozen(np.repeat((edges[:-1] + edges[1:]) / 2, self.shape[1]))

    @cached_property
    def y_mm(self) -> Floats:
        """y of each voxel's centre, (n_voxels,) mm."""
        edges = np.array(self.y_edges_mm)
        return frozen(np.tile((edges[:-1] + edges[1:]) / 2, self.shape[0]))

    @cached_property
    def r_mm(self) -> Floats:
        """Distance of each voxel's centre from the axis, (n_voxels,) mm."""
        return frozen(np.hypot(self.x_mm, self.y_mm))

    @cached_property
    def areas_mm2(self) -> Floats:
        """Area of each voxel, (n_voxels,) mm^2."""
        return frozen(np.outer(np.diff(self.x_edges_mm), np.diff(self.y_edges_mm)).ravel())

    def neighbours(self) -> Integers:
        """Pairs (i, j), i < j, of voxels that share an edge, (pairs, 2)."""
        return _grid_pairs(*self.shape, wraps=False)


Layer = CylindricalLayer | CartesianLayer
