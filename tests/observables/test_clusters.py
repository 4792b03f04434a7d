"""Clusters: neighbours of every grid, a slow search that says the same, and input that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from caloforge.detectors import CartesianLayer, CylindricalLayer, Detector, preset
from caloforge.errors import CaloforgeError
from caloforge.observables.clusters import cell_neighbours, cluster_threshold_mev, find_clusters

PRESETS = ("ds1-photons", "ds2", "calogan", "siw-ecal")


def showers(detector: Detector, n: int, filled: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.exponential(1.0, (n, detector.n_voxels)).astype(np.float32)
    return values * (rng.random(values.shape) < filled)


def slowly(deposits: np.ndarray, detector: Detector, threshold: float) -> list[float]:
    """The same numbers of one shower, by scipy's search for connected components."""
    hit = np.flatnonzero(deposits >= np.float32(threshold))
    if not len(hit):
        return [0.0] * 7
    pairs = cell_neighbours(detector)
    pairs = pairs[np.isin(pairs, hit).all(axis=1)]
    n = detector.n_voxels
    _, labels = connected_components(coo_matrix((np.ones(len(pairs)), pairs.T), shape=(n, n)), directed=False)
    names, groups = np.unique(labels[hit], return_inverse=True)
    energies = np.bincount(groups, deposits[hit].astype(np.float64))
    cells = hit[groups == np.argmax(energies)]
    e = deposits[cells].astype(np.float64)
    x, y = (float(np.average(axis[cells], weights=e)) for axis in (detector.x_mm, detector.y_mm))
    depth = float(np.average(detector.layer_of_voxel[cells], weights=e))
    square = np.average((detector.x_mm[cells] - x) ** 2 + (detector.y_mm[cells] - y) ** 2, weights=e)
    return [len(names), len(cells), float(e.sum()), x, y, depth, float(np.sqrt(square))]


@pytest.mark.parametrize("name", PRESETS)
def test_a_slow_search_says_the_same(name: str) -> None:
    detector = preset(name)
    for filled in (0.0, 0.05, 0.2) if detector.n_voxels < 10_000 else (0.02,):
        deposits = showers(detector, 4, filled)
        found = find_clusters(deposits, detector, 0.3)
        rows = np.stack([getattr(found, field) for field in found.__dataclass_fields__], axis=1)
        expected = [slowly(row, detector, 0.3) for row in deposits]
        np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", PRESETS)
def test_a_full_detector_is_one_cluster(name: str) -> None:
    detector = preset(name)
    found = find_clusters(np.ones((1, detector.n_voxels)), detector, 0.5)
    assert found.number[0] == 1 and found.cells[0] == detector.n_voxels
    assert found.energy_mev[0] == pytest.approx(detector.n_voxels)


def test_neighbours_of_a_cylinder() -> None:
    fine = CylindricalLayer("0", (0, 5, 10), n_alpha=4)
    coarse = CylindricalLayer("1", (5, 20), n_alpha=2)
    detector = Detector("mine", (fine, coarse), threshold_mev=0.1)
    pairs = {tuple(map(int, pair)) for pair in cell_neighbours(detector)}
    inside = {(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (2, 4), (4, 6), (0, 6), (1, 3), (3, 5), (5, 7), (1, 7)}
    at_the_axis = {(0, 4), (2, 6)}
    over = {(1, 8), (3, 8), (5, 9), (7, 9)}
    assert pairs == inside | at_the_axis | over | {(8, 9)}


def test_neighbours_of_cartesian_layers_lie_over_each_other() -> None:
    layers = (CartesianLayer("0", (-2, 0, 2), (-2, 2)), CartesianLayer("1", (-3, -1, 1, 3), (-2, 0, 2)))
    pairs = {tuple(map(int, pair)) for pair in cell_neighbours(Detector("mine", layers, threshold_mev=0.1))}
    across = {pair for pair in pairs if pair[0] < 2 <= pair[1]}
    assert across == {(0, 2), (0, 3), (0, 4), (0, 5), (1, 4), (1, 5), (1, 6), (1, 7)}
    assert (0, 1) in pairs and (2, 3) in pairs and (2, 5) not in pairs


def test_two_spots_are_two_clusters_and_the_brighter_one_leads() -> None:
    edges = tuple(np.arange(-3.5, 4.5))
    detector = Detector("mine", (CartesianLayer("0", edges, edges),), threshold_mev=0.01)
    image = np.zeros((1, 7, 7))
    image[0, 0, 0], image[0, 0, 1] = 4.0, 1.0
    image[0, 4, 6], image[0, 5, 6], image[0, 5, 5], image[0, 2, 2] = 3.0, 3.0, 0.11, 0.09
    found = find_clusters(image.reshape(1, -1), detector)
    assert cluster_threshold_mev(detector) == pytest.approx(0.1)
    assert (found.number[0], found.cells[0]) == (2, 3) and found.energy_mev[0] == pytest.approx(6.11)
    assert found.x_mm[0] == pytest.approx((3 + 2 * 3 + 2 * 0.11) / 6.11)
    assert found.y_mm[0] == pytest.approx((18 + 2 * 0.11) / 6.11)
    assert 0.4 < found.width_mm[0] < 0.6 and found.depth[0] == 0


def test_what_cannot_be_clustered_is_said() -> None:
    detector = preset("ds2")
    with pytest.raises(CaloforgeError, match=r"deposits_mev has shape \(2, 3\)"):
        find_clusters(np.zeros((2, 3)), detector)
    with pytest.raises(CaloforgeError, match="threshold_mev is 0"):
        find_clusters(np.zeros((2, detector.n_voxels)), detector, 0.0)
    mixed = (CylindricalLayer("0", (0, 5), n_alpha=1), CartesianLayer("1", (-2, 2), (-2, 2)))
    with pytest.raises(CaloforgeError, match="grid of the other kind"):
        find_clusters(np.zeros((1, 2)), Detector("mixed", mixed, threshold_mev=0.1))
