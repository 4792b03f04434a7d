"""Weights p/(1-p): their size, and that they find what was spoiled."""

from __future__ import annotations

import json

import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.evaluation.panel import HEADLINE, TREES, judge
from caloforge.evaluation.protocol import Panel
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.weights import (
    effective_size,
    mean_weight_by,
    shifted_observables,
    weight_histogram,
    weight_table,
    weights_of,
)


def test_weights_are_ratios_of_densities() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0.0, 1.0, 200_000)
    ratio = np.exp(0.5 * x - 0.125)
    weights = weights_of(ratio / (1.0 + ratio))
    np.testing.assert_allclose(weights, ratio, rtol=1e-9)
    assert weights.mean() == pytest.approx(1.0, abs=0.01)
    assert np.average(x, weights=weights) == pytest.approx(0.5, abs=0.02)
    assert effective_size(weights) == pytest.approx(200_000 / np.exp(0.25), rel=0.02)
    assert effective_size(np.ones(7)) == 7.0
    np.testing.assert_allclose(weights_of(np.array([0.0, 1.0])), [0.01, 100.0])
    with pytest.raises(CaloforgeError, match="outside of 0 to 1"):
        weights_of(np.array([0.5, np.nan]))


def test_mean_weights_and_shifts_by_observable() -> None:
    values, weights = np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 5.0, 5.0, 5.0])
    found = mean_weight_by(values, weights, np.array([0.0, 2.0, 4.0]), "x")
    assert [(region.n, region.mean_weight) for region in found] == [(2, 2.0), (3, 5.0)]
    assert found[0].error == pytest.approx(1.0)
    rng = np.random.default_rng(2)
    one, two = rng.random(800), rng.random(800)
    shifts = shifted_observables({"blind": one, "seen": two}, np.exp(two))
    assert [shift.observable for shift in shifts] == ["seen", "blind"]
    assert shifts[0].distance == 1.0 > 5 * shifts[1].distance
    assert shifts[0].low_median < 0.25 < 0.75 < shifts[0].high_median
    histogram = weight_histogram(np.exp(one), np.exp(two))
    assert sum(histogram["reference"]) == pytest.approx(1.0) == pytest.approx(sum(histogram["generated"]))


def test_table_points_at_the_spoiled_layer(toy_showers) -> None:
    reference = Sample.gather("reference", toy_showers(400, 1))
    spoiled = Sample.gather("spoiled", toy_showers(400, 2, lost=0.15))
    rows = np.arange(400)
    verdicts = judge(reference, rows, spoiled, rows, Panel(rows=250, seeds=1), 1)
    verdict = verdicts[TREES]
    assert len(verdict.reference) == len(verdict.generated) == 400
    assert verdict.reference.mean() > 0.5 > verdict.generated.mean()
    assert verdicts[HEADLINE] in verdicts.values()
    table = weight_table(TREES, spoiled.features, verdict.generated)
    assert json.loads(json.dumps(table)) == table
    assert max(table["layers"], key=table["layers"].get) == "1"
    assert any(shift["observable"].endswith("layer 1") for shift in table["shifted"][:4])
    assert table["n"] == 400 > table["effective_size"]
    assert 0.0 <= table["cut"] <= 1.0
    low = {region["observable"]: region for region in table["too_much"]}
    assert low and all(region["mean_weight"] < table["mean"] for region in low.values())
    assert all(region["mean_weight"] > table["mean"] for region in table["too_little"])
    assert list(table["quantiles"].values()) == sorted(table["quantiles"].values())


def test_table_of_equal_weights_accuses_nothing(toy_showers) -> None:
    features = Sample.gather("sample", toy_showers(50, 1)).features
    table = weight_table("low", features, np.full(50, 0.4))
    assert table["too_much"] == table["too_little"] == []
    assert table["mean"] == pytest.approx(2.0 / 3.0)
    with pytest.raises(CaloforgeError, match="50 showers with features and 49 probabilities"):
        weight_table("low", features, np.full(49, 0.5))
