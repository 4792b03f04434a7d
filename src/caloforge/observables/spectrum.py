"""Bins of the voxels' energies, and the counts of every shower in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError

Array = NDArray[np.floating]
_CELL_BITS = 6
"""Bits of the mantissa that name a cell: 64 cells from one power of two to the next."""


@dataclass(frozen=True)
class CellTable:
    """Edges as the bits of floats of one precision, and for every leading part of a float the edges below it."""

    first: int
    shift: int
    cells: NDArray[np.int64]
    edges: NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, eq=False)
class VoxelBins:
    """Bins of energies in MeV with the given edges (B + 1,); the last bin holds its upper edge, as in np.histogram.

    Counts have B + 2 columns: below, the bins, above. Raises CaloforgeError for edges that are negative, not finite
    or do not increase.
    """

    edges: NDArray[np.float64]

    def __post_init__(self) -> None:
        edges = np.asarray(self.edges, dtype=np.float64)
        object.__setattr__(self, "edges", edges)
        if len(edges) < 2 or edges[0] < 0 or not np.isfinite(edges).all() or not all(a < b for a, b in pairwise(edges)):
            raise CaloforgeError(
                f"The edges of the voxel energies are {edges[:3]} ..., expected finite, increasing numbers from 0 up; "
                "give others."
            )

    @property
    def columns(self) -> int:
        """B + 2."""
        return len(self.edges) + 1

    @cached_property
    def single(self) -> CellTable:
        """For float32."""
        return _table(self.edges, np.dtype(np.float32))

    @cached_property
    def double(self) -> CellTable:
        """For float64."""
        return _table(self.edges, np.dtype(np.float64))

    def table(self, dtype: np.dtype[Any]) -> CellTable:
        """The table for deposits of a precision."""
        return self.single if dtype.itemsize == 4 else self.double


def bits_of(values: Array) -> NDArray[np.signedinteger[Any]]:
    """The same memory as integers; for floats that are not negative they have the same order."""
    return values.view(np.int32 if values.dtype.itemsize == 4 else np.int64)


def _table(edges: NDArray[np.float64], dtype: np.dtype[Any]) -> CellTable:
    """Every edge becomes the least float that is not below it, the last one the least that is above it."""
    infinity = dtype.type(np.inf)
    with np.errstate(over="ignore"):
        rounded = edges.astype(dtype)
    short = rounded.astype(np.float64) < edges
    short[-1] = rounded[-1].astype(np.float64) <= edges[-1]
    bits = bits_of(np.where(short, np.nextafter(rounded, infinity), rounded))
    shift = np.finfo(dtype).nmant - _CELL_BITS
    first, last = int(bits[0]) >> shift, int(bits[-1]) >> shift
    starts = np.arange(first, last + 1, dtype=np.int64) << shift
    return CellTable(first, shift, np.searchsorted(bits, starts, side="right").astype(np.int64), bits)
