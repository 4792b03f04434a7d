"""PRDC: the golden numbers, the package prdc, and input that cannot be used."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from prdc import compute_prdc

from caloforge.errors import CaloforgeError
from caloforge.evaluation.prdc import log_voxels, prdc

GOLDEN = json.loads((Path(__file__).parent.parent / "data" / "golden" / "golden.json").read_text())
NUMBERS = ("precision", "recall", "density", "coverage")


def samples(n: int, m: int, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, features)), rng.normal(0.3, 1.2, (m, features))


def test_the_golden_numbers(ds2) -> None:
    reference, generated = (log_voxels(one.deposits_mev, one.detector.threshold_mev) for one in ds2)
    found = prdc(reference, generated).as_dict()
    assert {name: found[name] for name in NUMBERS} == pytest.approx(GOLDEN["ds2"]["prdc_k5"], rel=1e-6)
    assert found["k"] == 5 and found["n"] == 400 and found["floor"] is None


@pytest.mark.parametrize(("n", "m", "k"), [(300, 200, 5), (90, 170, 3), (8, 7, 5)])
@pytest.mark.parametrize("tile", [(1024, 2048), (37, 53)])
def test_the_package_says_the_same(n: int, m: int, k: int, tile, monkeypatch, capsys) -> None:
    room = sys.modules["caloforge.evaluation.prdc"]
    monkeypatch.setattr(room, "TILE_ROWS", tile[0])
    monkeypatch.setattr(room, "TILE_COLUMNS", tile[1])
    one, two = samples(n, m)
    found, expected = prdc(one, two, k), compute_prdc(one, two, k)
    assert {name: getattr(found, name) for name in NUMBERS} == pytest.approx(expected, rel=1e-12)
    assert prdc(one, two, k, threads=3) == prdc(one, two, k, threads=1)


def test_a_floor_stands_beside() -> None:
    one, two = samples(100, 100)
    floor = prdc(one[:50], one[50:])
    found = prdc(one, two).as_dict(floor)
    assert found["floor"] == {name: getattr(floor, name) for name in NUMBERS}


def test_empty_voxels_are_a_tenth_of_an_mev() -> None:
    found = log_voxels(np.array([[0.0, 0.01, 1.0, 10.0]], dtype=np.float32), 0.02)
    np.testing.assert_allclose(found, [[-1, -1, 0, 1]], atol=1e-6)
    assert log_voxels(np.zeros((1, 1)), 0.0)[0, 0] == -1


def test_what_cannot_be_used_is_said() -> None:
    one, two = samples(20, 6)
    with pytest.raises(CaloforgeError, match="k = 5 with 20 reference and 6 generated"):
        prdc(one, two)
    two[3, 2] = np.inf
    with pytest.raises(CaloforgeError, match="generated features of shower 3 are not finite"):
        prdc(one, two, 2)
