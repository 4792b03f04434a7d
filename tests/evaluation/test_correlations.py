"""Correlations of features, constant ones included."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.evaluation.correlations import compare_correlations, correlations, feature_columns
from caloforge.observables import high_level


def columns(n: int, seed: int, strength: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=n)
    return {
        "a": 1e4 * common + 1e6,
        "b": strength * common + rng.normal(size=n),
        "c": rng.normal(size=n),
        "flat": np.full(n, 0.1),
    }


def test_coefficients_are_those_of_numpy_and_constant_features_have_none() -> None:
    table = columns(500, 1, 1.0)
    found = correlations(table)
    np.testing.assert_allclose(found.matrix[:3, :3], np.corrcoef([table[name] for name in "abc"]), atol=1e-12)
    assert found.constant == ("flat",) and found.matrix[3].tolist() == [0, 0, 0, 1]


def test_the_pair_that_differs_most_is_named() -> None:
    one, two, three = (correlations(columns(4000, seed, s)) for seed, s in ((1, 1.0), (2, 0.0), (3, 1.0)))
    floor = compare_correlations(one, three)
    found = compare_correlations(one, two)
    assert found.pair == ("a", "b") and found.largest == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert floor.largest < 0.06 and found.mean == pytest.approx(found.largest / 3, abs=0.03)
    entry = found.as_dict(floor)
    assert entry["largest_pair"] == ["a", "b"] and entry["floor_largest"] == floor.largest
    assert entry["constant"] == ["flat"]
    nothing = correlations({"a": np.ones(5), "b": np.zeros(5)})
    assert compare_correlations(nothing, nothing).largest == 0


@pytest.mark.parametrize("kind", ["ds2", "toy"])
def test_the_columns_of_features_are_those_of_the_vector(kind, ds2, toy_showers) -> None:
    showers = ds2[0][:60] if kind == "ds2" else toy_showers(60, 1)
    features = high_level(showers.deposits_mev, showers.incident_energy_mev, showers.detector)
    table, named = feature_columns(features), features.table()
    vector = features.vector()
    for column, (name, values) in enumerate(list(table.items())[: vector.shape[1]]):
        np.testing.assert_array_equal(values, vector[:, column])
        if name in named and "EC" in name:
            np.testing.assert_allclose(values * 100, named[name], rtol=1e-12)
    assert sum(name in named for name in table) > 10
    found = correlations(features)
    assert found.matrix.shape == (len(table), len(table)) and np.isfinite(found.matrix).all()


def test_what_cannot_be_used_is_said() -> None:
    table = columns(50, 1, 1.0)
    with pytest.raises(CaloforgeError, match="asked of 1 showers"):
        correlations({name: values[:1] for name, values in table.items()})
    with pytest.raises(CaloforgeError, match="expected the same names"):
        compare_correlations(correlations(table), correlations({"a": table["a"], "c": table["c"]}))
    table["c"][4] = np.nan
    with pytest.raises(CaloforgeError, match="feature 'c' of shower 4 is not finite"):
        correlations(table)
