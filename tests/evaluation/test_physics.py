"""Tables in bins of the incident energy: their numbers, their errors, and bins without showers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.evaluation.energy_bins import auc_by_energy, energy_bins, members
from caloforge.evaluation.physics import QUANTITIES, compare_physics, gather_physics, mean, resolution, spread
from caloforge.evaluation.physics import radial_edges_mm as rings
from caloforge.evaluation.sample import Sample
from caloforge.showers import Showers


def sample(showers: Showers) -> Sample:
    return Sample.gather("sample", showers)


def test_errors_are_those_of_repeated_experiments() -> None:
    rng = np.random.default_rng(0)
    draws = rng.gamma(4.0, 1.0, (3000, 200))
    for estimate in (mean, spread, resolution):
        values, errors = np.array([estimate(one) for one in draws]).T
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.08)
    assert mean(np.zeros(0)) == (None, None) and mean(np.ones(1)) == (1.0, None)
    assert spread(np.ones(1)) == resolution(np.ones(1)) == (None, None)
    assert spread(np.ones(3)) == resolution(np.ones(3)) == (0.0, 0.0)
    assert resolution(np.array([-1.0, 1.0])) == (None, None)


def test_the_table_of_two_samples(ds2) -> None:
    one, two = map(sample, ds2)
    table = compare_physics(one, two)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert len(table) == 6 and sum(entry["n_reference"] for entry in table) == 400
    for entry in table:
        assert set(QUANTITIES) <= set(entry)
        assert entry["cluster_response"]["reference"][0] <= entry["response"]["reference"][0]
        for side in ("reference", "generated"):
            for profile in entry["profiles"].values():
                values, errors = profile[side]
                assert len(values) == len(errors) == len(profile.get("layers", profile.get("edges_mm", [])[1:]))
                assert 0.9 < sum(values) < 1 + 1e-6 and min(errors) >= 0
    entry = table[2]
    energies = ds2[0].incident_energy_mev
    kept = (energies >= entry["low_mev"]) & (energies < entry["high_mev"])
    deposits = ds2[0].above_threshold().deposits_mev[kept].astype(np.float64)
    response = deposits.sum(axis=1) / energies[kept]
    assert entry["response"]["reference"] == pytest.approx(
        [response.mean(), response.std(ddof=1) / np.sqrt(kept.sum())]
    )
    assert entry["resolution"]["reference"][0] == pytest.approx(response.std(ddof=1) / response.mean())
    assert entry["hits"]["reference"][0] == pytest.approx((deposits > 0).sum(axis=1).mean())
    inner = deposits[:, ds2[0].detector.r_mm < 4.65].sum(axis=1) / deposits.sum(axis=1)
    assert entry["profiles"]["radial"]["reference"][0][0] == pytest.approx(inner.mean(), rel=1e-5)


def test_bins_without_showers_and_showers_without_energy_are_told(toy_showers) -> None:
    showers = toy_showers(30, 1)
    showers.deposits_mev[:3] = 0
    one, two = gather_physics(sample(showers)), gather_physics(sample(toy_showers(20, 2)))
    table = compare_physics(one, two, [100.0, 1000.0, 2000.0])
    assert json.dumps(table, allow_nan=False)
    assert [entry["n_reference"] for entry in table] == [30, 0] and table[1]["n_generated"] == 0
    assert all(table[1][name]["reference"] == [None, None] for name in QUANTITIES)
    assert table[1]["profiles"]["radial"]["generated"][0][0] is None
    filled = np.count_nonzero(~np.isnan(one.columns["cluster_x_mm"]))
    assert filled == 27 and np.isnan(one.columns["depth"][:3]).all() and one.columns["clusters"][0] == 0


def test_threads_change_nothing(toy_showers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caloforge.evaluation.sample.CHUNK_ROWS", 7)
    one = sample(toy_showers(50, 1))
    found = [gather_physics(one, threads=threads) for threads in (1, 3)]
    assert found[0].radial.tobytes() == found[1].radial.tobytes()
    assert all(found[0].columns[name].tobytes() == found[1].columns[name].tobytes() for name in found[0].columns)


def test_bins_of_energies() -> None:
    spread_out = np.random.default_rng(0).uniform(1e3, 1e5, 600)
    edges = energy_bins(spread_out)
    assert len(edges) == 7 and {len(rows) for rows in members(spread_out, edges)} == {100}
    discrete = np.repeat([256.0, 512.0, 1024.0], 5)
    rows = list(members(discrete, energy_bins(discrete)))
    assert [set(discrete[one]) for one in rows] == [{256.0}, {512.0}, {1024.0}]
    for single in (np.full(9, 5.0), np.full(1, 5.0)):
        assert [len(one) for one in members(single, energy_bins(single))] == [len(single)]


def test_rings_hold_every_cell() -> None:
    for name in ("ds1-photons", "ds2", "calogan", "siw-ecal"):
        detector, edges = preset(name), rings(preset(name))
        assert 5 < len(edges) <= 21 and (np.diff(edges) > 0).all()
        assert edges[0] <= detector.r_mm.min() and detector.r_mm.max() < edges[-1]


def test_auc_of_each_bin() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(4000) < 0.5
    energies = rng.uniform(1, 3, 4000)
    scores = rng.normal(size=4000) + 2.0 * (labels & (energies < 2))
    floor = auc_by_energy(rng.normal(size=4000), labels, energies, [1, 2, 3, 4], resamplings=10)
    found = auc_by_energy(scores, labels, energies, [1, 2, 3, 4], floor)
    assert json.dumps(found, allow_nan=False)
    assert found[0]["auc"] == pytest.approx(0.921, abs=0.02) and found[1]["auc"] == pytest.approx(0.5, abs=0.05)
    assert 0.003 < found[0]["auc_error"] < 0.01 and 900 < found[0]["n"] < 1100
    assert found[2] == {"low_mev": 3.0, "high_mev": 4.0, "n": 0, "auc": None, "auc_error": None, "floor": None}
    assert found[1]["floor"] == floor[1]["auc"]
    assert auc_by_energy(scores, labels, energies, [1, 2, 3, 4], floor) == found


def test_what_cannot_be_binned_is_said(toy_showers, ds2) -> None:
    with pytest.raises(CaloforgeError, match="at least two finite, increasing"):
        compare_physics(sample(toy_showers(5, 1)), sample(toy_showers(5, 2)), [3.0, 1.0])
    with pytest.raises(CaloforgeError, match="showers of one detector"):
        compare_physics(sample(toy_showers(5, 1)), sample(ds2[0][:5]))
    with pytest.raises(CaloforgeError, match="There are 0 incident energies"):
        energy_bins(np.zeros(0))
    with pytest.raises(CaloforgeError, match="There are 2 incident energies from nan"):
        energy_bins(np.array([np.nan, 1.0]))
    scores, labels = np.array([0.1, np.nan]), np.array([True, False])
    with pytest.raises(CaloforgeError, match="with finite scores"):
        auc_by_energy(scores, labels, np.ones(2), [0, 2])
    floor = auc_by_energy(np.zeros(2), labels, np.ones(2), [0, 2], resamplings=2)
    with pytest.raises(CaloforgeError, match="The floor has other bins"):
        auc_by_energy(np.zeros(2), labels, np.ones(2), [0.5, 2], floor)
