"""The linear assignment problem, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from lap import lapjv
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError


def assign(cost: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """The permutation of least cost: column `assign(cost)[i]` goes to row i; cost is (N, N) and finite.

    Raises CaloforgeError where the matrix is not square or a cost is not finite.
    """
    if cost.ndim != 2 or cost.shape[0] != cost.shape[1]:
        raise CaloforgeError(f"An assignment needs as many columns as rows, and the cost has the shape {cost.shape}.")
    finite = np.isfinite(cost)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise CaloforgeError(
            f"The cost of pairing row {row} with column {column} is {cost[row, column]}; every cost must be finite: "
            "look for NaN or infinity in the data of the batch."
        )
    return np.asarray(lapjv(cost, return_cost=False)[0], dtype=np.int64)
