"""Features on showers whose answer is known, and the rules of separation powers."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.observables import Features, binnings, compare, high_level, separation_power

CALOGAN = preset("calogan")


def test_one_voxel_shower_stands_where_it_is() -> None:
    voxel = CALOGAN.offsets[1] + 12 * 7 + 3
    deposits = np.zeros((2, CALOGAN.n_voxels))
    deposits[0, voxel] = 500.0
    found = high_level(deposits, np.array([1000.0, 1000.0]), CALOGAN).table()
    assert found["EC x layer 1"][0] == pytest.approx(CALOGAN.x_mm[voxel])
    assert found["EC y layer 1"][0] == pytest.approx(CALOGAN.y_mm[voxel])
    assert found["Width x layer 1"][0] == 0.0
    assert found["Shower depth"][0] == 1.0
    assert found["Brightest contrast layer 1"][0] == 1.0
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["Etot / Einc"].tolist() == [0.5, 0.0]


def test_depth_and_contrast() -> None:
    deposits = np.zeros((1, CALOGAN.n_voxels))
    deposits[0, CALOGAN.offsets[0]], deposits[0, CALOGAN.offsets[2]] = 3.0, 1.0
    deposits[0, CALOGAN.offsets[0] + 1] = 1.0
    found = high_level(deposits, np.array([10.0]), CALOGAN).table()
    assert found["Depth-weighted energy"][0] == 2.0
    assert found["Shower depth"][0] == pytest.approx(0.4)
    assert found["Shower depth width"][0] == pytest.approx(np.sqrt(4 / 5 - 0.16))
    assert found["Brightest contrast layer 0"][0] == pytest.approx(0.5)
    assert found["Energy fraction layer 0"][0] == pytest.approx(0.8)


def test_threshold_is_strict() -> None:
    deposits = np.full((1, CALOGAN.n_voxels), 0.01)
    assert high_level(deposits, np.ones(1), CALOGAN).sparsity.max() == 0.0
    assert high_level(deposits, np.ones(1), CALOGAN, threshold_mev=0.011).sparsity.min() == 1.0


def test_rows_and_concatenation_are_inverse() -> None:
    deposits = np.random.default_rng(0).gamma(0.2, 1.0, (7, CALOGAN.n_voxels))
    whole = high_level(deposits, np.ones(7), CALOGAN)
    again = Features.concatenate([whole[:3], whole[np.arange(3, 7)]])
    np.testing.assert_array_equal(whole.vector(), again.vector())
    assert whole.table().keys() == again.table().keys()


def test_siw_ecal_counts_hits_and_thirds() -> None:
    detector = preset("siw-ecal")
    deposits = np.zeros((1, detector.n_voxels), dtype=np.float32)
    deposits[0, :: detector.layers[0].n_voxels] = 1.0
    found = high_level(deposits, np.array([100.0]), detector).table()
    assert found["Number of hits"][0] == 30
    assert [found[f"Energy fraction third {i}"][0] for i in range(3)] == pytest.approx([1 / 3] * 3)
    assert "First moment x" in found


def test_wrong_shape_is_said() -> None:
    with pytest.raises(CaloforgeError, match=r"\(2, 3\), expected \(2, 504\)"):
        high_level(np.zeros((2, 3)), np.ones(2), CALOGAN)


def test_separation_power_rules() -> None:
    edges = np.linspace(0.0, 1.0, 11)
    values = np.random.default_rng(0).uniform(size=1000)
    assert separation_power(values, values, edges) == 0.0
    assert separation_power(values / 2, values / 2 + 0.5, edges) == pytest.approx(1.0)
    assert separation_power(np.append(values, 7.0), values, edges) == 0.0, "what lies outside is ignored"
    one, both = compare(values, values + 5, edges), compare(values + 5, values + 5, edges)
    assert (one.separation, both.separation) == (1.0, 0.0)
    assert "generated" in one.note and "both" in both.note
    assert one.outside["generated"] == [0.0, 1.0]


def test_bins_of_calogan_see_its_narrow_response() -> None:
    features = high_level(np.random.default_rng(0).gamma(0.2, 1.0, (50, 504)), np.full(50, 100.0), CALOGAN)
    edges = binnings(CALOGAN, features)
    assert (edges["Etot / Einc"][0], edges["Etot / Einc"][-1], len(edges["Etot / Einc"])) == (0.95, 1.005, 111)
    assert edges["E layer 0"][-1] == features.layer_energy_mev[:, 0].max()
    assert all(np.all(np.diff(values) > 0) for values in edges.values())
