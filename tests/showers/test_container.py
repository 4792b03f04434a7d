"""Showers in memory."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.detectors import CartesianLayer, Detector, preset
from caloforge.errors import CaloforgeError
from caloforge.showers import Showers

SMALL = Detector("small", (CartesianLayer("0", (0, 1, 2), (0, 1, 2)),), threshold_mev=0.5)


def some(n: int = 6, **keywords: object) -> Showers:
    deposits = np.arange(n * 4, dtype=np.float32).reshape(n, 4) / 4
    return Showers(np.arange(1.0, n + 1), deposits, SMALL, **keywords)  # type: ignore[arg-type]


def test_slices_masks_and_indices() -> None:
    showers = some(conditions={"theta": np.arange(6.0)}, extras={"overflow": np.ones((6, 3))})
    assert len(showers) == 6
    assert len(showers[2:5]) == 3
    assert np.array_equal(showers[2:5].deposits_mev, showers.deposits_mev[2:5])
    assert np.array_equal(showers[showers.incident_energy_mev > 4].conditions["theta"], [4, 5])
    assert np.array_equal(showers[[3, 0]].incident_energy_mev, [4, 1])
    assert showers[-1].deposits_mev.shape == (1, 4)
    assert showers[2].extras["overflow"].shape == (1, 3)


def test_concatenate() -> None:
    showers = some(extras={"a": np.arange(6)})
    whole = Showers.concatenate([showers[:2], showers[2:]])
    assert np.array_equal(whole.deposits_mev, showers.deposits_mev)
    assert np.array_equal(whole.extras["a"], np.arange(6))
    with pytest.raises(CaloforgeError, match="the same conditions and extras"):
        Showers.concatenate([showers, some()])
    with pytest.raises(CaloforgeError, match="the detectors differ"):
        Showers.concatenate([some(), Showers(np.ones(1), np.ones((1, 504)), preset("calogan"))])
    with pytest.raises(CaloforgeError, match="at least one part"):
        Showers.concatenate([])


def test_threshold_is_strict_and_leaves_the_original() -> None:
    showers = some(1)
    assert np.array_equal(showers.above_threshold().deposits_mev, [[0, 0, 0.5, 0.75]])
    assert np.array_equal(showers.above_threshold(0.75).deposits_mev, [[0, 0, 0, 0.75]])
    assert showers.above_threshold().deposits_mev.dtype == np.float32
    assert np.array_equal(showers.deposits_mev, [[0, 0.25, 0.5, 0.75]])


def test_shapes_and_types() -> None:
    assert Showers(np.ones((2, 1)), np.ones((2, 4)), SMALL).incident_energy_mev.shape == (2,)
    assert Showers(np.ones(2), np.ones((2, 4), dtype=np.float16), SMALL).deposits_mev.dtype == np.float32
    assert Showers([1, 2], np.ones((2, 4), dtype=int), SMALL).deposits_mev.dtype == np.float64  # type: ignore[arg-type]
    with pytest.raises(CaloforgeError, match=r"\(N, 4\)"):
        Showers(np.ones(2), np.ones((2, 5)), SMALL)
    with pytest.raises(CaloforgeError, match="one row per shower"):
        Showers(np.ones(2), np.ones((3, 4)), SMALL)
    with pytest.raises(CaloforgeError, match="'theta' has the shape"):
        some(2, conditions={"theta": np.ones(3)})
