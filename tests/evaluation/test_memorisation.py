"""Nearest distances, mirror images included, against a slow search; and the verdict."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.evaluation import memorisation as memorised
from caloforge.evaluation import nearest_distances
from caloforge.showers import Showers


def slowly(showers: Showers, training: Showers) -> np.ndarray:
    """The smallest distance over all training showers and mirror images."""

    def roots(deposits: np.ndarray) -> np.ndarray:
        total = deposits.astype(np.float64).sum(axis=1, keepdims=True)
        return np.sqrt(deposits / np.where(total > 0, total, 1))

    known = roots(training.deposits_mev)
    found = np.full(len(showers), np.inf)
    for order in showers.detector.views():
        turned = roots(showers.deposits_mev[:, order])
        overlap = np.einsum("iv,jv->ij", turned, known)
        found = np.minimum(found, np.sqrt(np.clip(2 - 2 * overlap, 0, None)).min(axis=1))
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_slow_search_says_the_same(dtype, toy_showers, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("caloforge.evaluation.memorisation")
    monkeypatch.setattr(module, "QUERIES", 17)
    monkeypatch.setattr(module, "KNOWN", 23)
    training, showers = toy_showers(90, 1), toy_showers(60, 2)
    detector = training.detector
    mirror = detector.symmetries()["mirror-x"]
    deposits = showers.deposits_mev.astype(dtype)
    deposits[0], deposits[1], deposits[2] = 0, 3 * training.deposits_mev[70][mirror], training.deposits_mev[5]
    showers = Showers(showers.incident_energy_mev, deposits, detector)
    found = [nearest_distances(deposits, training.deposits_mev, detector, threads) for threads in (1, 3)]
    assert found[0].tobytes() == found[1].tobytes()
    np.testing.assert_allclose(found[0], slowly(showers, training), rtol=1e-6, atol=1e-6)
    assert found[0][0] == pytest.approx(np.sqrt(2)) and (found[0][1:3] < 1e-6).all() and (found[0][3:] > 0.01).all()


def test_what_has_no_distance_is_said(toy_showers) -> None:
    showers = toy_showers(5, 1)
    good, detector = showers.deposits_mev, showers.detector
    assert nearest_distances(good[:0], good, detector).shape == (0,)
    with pytest.raises(CaloforgeError, match="no training showers"):
        nearest_distances(good, good[:0], detector)
    with pytest.raises(CaloforgeError, match=r"training have shape \(5, 3\)"):
        nearest_distances(good, good[:, :3], detector)
    bad = good.copy()
    bad[3, 0] = np.nan
    with pytest.raises(CaloforgeError, match="negative or not finite"):
        nearest_distances(bad, good, detector)
    with pytest.raises(CaloforgeError, match="reference showers have 0 nearest"):
        memorised(np.ones(3), np.zeros(0))
