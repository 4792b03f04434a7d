"""The kernel that fills voxels, against numpy's own histograms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.detectors import CartesianLayer, CylindricalLayer, Detector, preset
from caloforge.errors import CaloforgeError
from caloforge.simulation.grid import Grid

NO_TURN = 0.0


def _hits(n: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.stack(
        [rng.normal(0, 30, n), rng.normal(0, 30, n), rng.uniform(-10, 170, n), rng.exponential(1, n)], axis=1
    )


def _fill(detector: Detector, hits: np.ndarray, turn: float = NO_TURN) -> tuple[np.ndarray, np.ndarray]:
    deposits, overflow = np.zeros(detector.n_voxels), np.zeros(detector.n_layers)
    Grid.of(detector).add(hits, np.zeros(3), np.eye(3), turn, deposits, overflow)
    return deposits, overflow


@pytest.mark.parametrize("name", ["ds2", "ds3", "calogan", "siw-ecal"])
def test_equals_numpys_histogram(name: str) -> None:
    detector, hits = preset(name), _hits()
    deposits, overflow = _fill(detector, hits)
    for layer, part, outside in zip(detector.layers, detector.slices, overflow, strict=True):
        here = hits[(hits[:, 2] >= layer.front_mm) & (hits[:, 2] < layer.back_mm)]
        x, y, _, energy = here.T
        if isinstance(layer, CylindricalLayer):
            edges = (np.linspace(-np.pi, np.pi, layer.n_alpha + 1), layer.r_edges_mm)
            slow, fast = np.arctan2(y, x), np.hypot(x, y)
        else:
            edges, slow, fast = (layer.x_edges_mm, layer.y_edges_mm), x, y
        expected = np.histogram2d(slow, fast, bins=edges, weights=energy)[0].ravel()
        np.testing.assert_allclose(deposits[part], expected, rtol=1e-12, atol=1e-12)
        assert np.isclose(outside, energy.sum() - expected.sum())


def test_hits_before_between_and_behind_layers_are_left_out() -> None:
    square = (-1.0, 1.0)
    detector = Detector(
        "two", (CartesianLayer("a", square, square, 0, 1), CartesianLayer("b", square, square, 2, 3)), 0
    )
    hits = np.array([[0, 0, z, 1.0] for z in (-0.1, 0.0, 0.99, 1.0, 1.5, 2.0, 2.99, 3.0)])
    deposits, overflow = _fill(detector, hits)
    assert deposits.tolist() == [2, 2]
    assert not overflow.any()


def test_a_turn_turns_the_picture() -> None:
    detector = preset("siw-ecal")
    hits = _hits(500)
    deposits, _ = _fill(detector, hits)
    turned, _ = _fill(detector, hits, np.pi / 2)
    grid = deposits.reshape(30, 30, 30)
    np.testing.assert_allclose(turned.reshape(30, 30, 30), np.flip(grid.transpose(0, 2, 1), axis=1))


def test_axes_and_origin() -> None:
    detector = preset("ds2")
    hits = _hits(2000)
    axes, origin = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]]), np.array([5.0, -7.0, 2.0])
    moved = hits.copy()
    moved[:, :3] = hits[:, :3] @ axes + origin
    expected, _ = _fill(detector, hits)
    deposits, overflow = np.zeros(detector.n_voxels), np.zeros(45)
    Grid.of(detector).add(moved, origin, axes, NO_TURN, deposits, overflow)
    assert np.isclose(deposits.sum(), expected.sum())
    assert np.abs(deposits - expected).sum() < 1e-3 * expected.sum(), "rounding moves a hit on an edge at most"


def test_layers_need_depths_in_order() -> None:
    with pytest.raises(CaloforgeError, match="has no depth"):
        Grid.of(preset("ds1-photons"))
    detector = preset("calogan")
    with pytest.raises(CaloforgeError, match="put layers in order of depth"):
        Grid.of(replace(detector, layers=detector.layers[::-1], symmetry=()))
