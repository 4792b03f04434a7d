"""The linear assignment problem, exactly, and fast where the costs are distances of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.generative import assignment_kernel
from caloforge.nn.compilation import announced

_LIST = 32
_TOLERANCE = 1e-11
_SMALL = 128
_PATIENCE = 0.25
_SHARE = 4


def assign(cost: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """The permutation of least cost: column `assign(cost)[i]` goes to row i; cost is (N, N) and finite.

    Jonker and Volgenant's algorithm (Computing 38 (1987) 325) on the cheapest columns of each row, with a proof of
    optimality over the whole matrix (`assignment_kernel`): the cost is the least one to 1e-11 of the largest entry per
    row, with float32 as with float64 entries. The same matrix always gives the same permutation. Runs in one thread
    and without Python's lock.

    Raises CaloforgeError where the matrix is not square or a cost is not finite.
    """
    if cost.ndim != 2 or cost.shape[0] != cost.shape[1]:
        raise CaloforgeError(f"An assignment needs as many columns as rows, and the cost has the shape {cost.shape}.")
    if not len(cost):
        return np.empty(0, np.int64)
    largest = float(np.maximum(cost.max(), -cost.min()))
    if not np.isfinite(largest):
        row, column = np.argwhere(~np.isfinite(cost))[0]
        raise CaloforgeError(
            f"The cost of pairing row {row} with column {column} is {cost[row, column]}; every cost must be finite: "
            "look for NaN or infinity in the data of the batch."
        )
    dtype = np.float32 if cost.dtype in (np.float32, np.float16) else np.float64
    columns, _ = _solve(np.ascontiguousarray(cost, dtype), _TOLERANCE * largest)
    return columns.astype(np.int64)


def _solve(cost: NDArray[Any], tolerance: float) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Columns and final prices. Where too many rows want the same columns, prices come from a part of the problem.

    In few dimensions a free start leaves most rows without a column, and each is a long search. Every fourth row and
    column make a problem a 64th as long; its solution prices all columns.
    """
    price = np.zeros(len(cost))
    solve = announced(assignment_kernel.solve)
    columns, finished = solve(cost, price, _LIST, tolerance, _PATIENCE if len(cost) >= _SMALL else 1.0)
    if not finished:
        part = np.ascontiguousarray(cost[::_SHARE, ::_SHARE])
        chosen, part_price = _solve(part, tolerance)
        value = part[np.arange(len(part)), chosen] - part_price[chosen]
        price = (cost[::_SHARE] - value.astype(cost.dtype)[:, None]).min(0).astype(np.float64)
        columns, _ = solve(cost, price, _LIST, tolerance, 1.0)
    return columns, price
