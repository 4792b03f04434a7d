"""The exact assignment against POT: the same cost on any matrix, a permutation, and a proof by prices."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from caloforge.errors import CaloforgeError
from caloforge.generative import assign
from caloforge.generative import assignment as module

RNG = np.random.default_rng(0)


def _clusters(n: int, dimension: int) -> np.ndarray:
    """Around eight points on a circle."""
    angle = RNG.integers(0, 8, n) * np.pi / 4
    middle = np.zeros((n, dimension))
    middle[:, 0], middle[:, 1] = 5 * np.cos(angle), 5 * np.sin(angle)
    return middle + 0.3 * RNG.normal(size=(n, dimension))


def _distances(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return ot.dist(x, z).astype(np.float32)


def _matrices(n: int) -> dict[str, np.ndarray]:
    normal = {d: RNG.normal(size=(n, d)) for d in (1, 2, 10, 200)}
    steep = RNG.lognormal(sigma=2.0, size=(n, 200))
    few = _clusters(n, 2)[RNG.integers(0, min(n, 9), n)]
    count = np.arange(1.0, n + 1)
    return {
        "many dimensions": _distances(RNG.normal(size=(n, 200)), normal[200]),
        "many dimensions, uneven data": _distances(steep, normal[200]),
        "uneven data in columns": _distances(normal[200], steep),
        "ten dimensions": _distances(_clusters(n, 10), normal[10]),
        "two dimensions": _distances(_clusters(n, 2), normal[2]),
        "two dimensions, turned": _distances(normal[2], _clusters(n, 2)),
        "one dimension": _distances(_clusters(n, 2)[:, :1], normal[1]),
        "repeated rows": _distances(few, normal[2]),
        "float64": ot.dist(_clusters(n, 2), normal[2]),
        "large offset": 1e6 + RNG.random((n, n)),
        "tiny": 1e-30 * RNG.random((n, n)),
        "equal": np.full((n, n), 3.0, np.float32),
        "small integers": RNG.integers(0, 4, (n, n)).astype(np.float32),
        "product": count[:, None] * count[None] / n,
        "period of the lanes": (np.arange(n)[None] % 64 + 1e-3 * RNG.random((n, n))).astype(np.float32),
        "not contiguous": RNG.random((n, n)).T,
    }


@pytest.mark.parametrize("n", [2, 3, 31, 63, 64, 65, 200, 400])
def test_cost_is_that_of_pot(n: int) -> None:
    for name, cost in _matrices(n).items():
        columns = assign(cost)
        assert columns.dtype == np.int64 and sorted(columns) == list(range(n)), name
        mine = cost[np.arange(n), columns].sum(dtype=np.float64)
        exact = cost.astype(np.float64)
        best = ot.emd2([], [], exact, numItermax=10_000_000) * n
        assert mine - best <= 1e-9 * n * np.abs(exact).max(), name


@pytest.mark.parametrize("n", [130, 700])
def test_prices_prove_the_optimum(n: int) -> None:
    for name, cost in _matrices(n).items():
        matrix = np.ascontiguousarray(cost)
        columns, price = module._solve(matrix, 1e-12 * float(np.abs(matrix).max()))
        reduced = matrix - price
        own = reduced[np.arange(n), columns]
        assert (own - reduced.min(1)).max() <= 1e-11 * np.abs(matrix).max(), name


def test_the_same_matrix_gives_the_same_permutation() -> None:
    cost = _distances(_clusters(300, 2), RNG.normal(size=(300, 2)))
    assert all(np.array_equal(assign(cost), assign(cost.copy())) for _ in range(3))


def test_smallest_problems() -> None:
    assert assign(np.empty((0, 0))).shape == (0,)
    assert assign(np.array([[7.0]])).tolist() == [0]
    assert assign(np.array([[1, 0], [0, 1]])).tolist() == [1, 0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_cost_that_is_not_finite_is_named(value: float) -> None:
    cost = RNG.random((5, 5))
    cost[3, 1] = value
    with pytest.raises(CaloforgeError, match=f"row 3 with column 1 is {value}; every cost must be finite"):
        assign(cost)


def test_a_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(CaloforgeError, match=r"as many columns as rows, and the cost has the shape \(3, 4\)"):
        assign(np.zeros((3, 4)))
