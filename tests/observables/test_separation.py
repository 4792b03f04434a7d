"""Distances of two histograms against SciPy, and their errors against what independent samples scatter by."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from caloforge.observables import compare, compare_counts, floor_scale
from caloforge.observables.wasserstein import wasserstein_of_counts

EDGES = np.linspace(-2.0, 2.0, 21)


def normal(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, n)


def test_every_value_is_counted_once() -> None:
    values = np.concatenate([normal(500, 1), [-2.0, 2.0, 5.0, np.nan, np.inf]])
    found = compare(values, normal(300, 2), EDGES)
    np.testing.assert_array_equal(found.reference_counts, np.histogram(values[np.isfinite(values)], EDGES)[0])
    assert found.reference_outside == (np.sum(values < -2), np.sum(values > 2) - 1)
    assert (found.reference_entries, found.generated_entries) == (505, 300)
    assert found.reference_counts.sum() + sum(found.reference_outside) == 503
    assert found.note == "2 reference values are not finite"
    assert found.outside["reference"] == [found.reference_outside[0] / 505, found.reference_outside[1] / 505]


@pytest.mark.parametrize(("n", "m"), [(400, 400), (400, 150), (7, 1000)])
def test_wasserstein_is_scipys(n: int, m: int) -> None:
    one, two = normal(n, 1), normal(m, 2, 0.3)
    assert compare(one, two, EDGES).wasserstein == pytest.approx(stats.wasserstein_distance(one, two), rel=1e-12)


def test_wasserstein_of_counts_is_that_of_entries_spread_over_their_bins() -> None:
    rng = np.random.default_rng(0)
    one, two, edges = rng.integers(0, 50, 20), rng.integers(0, 70, 20), np.logspace(-2, 1, 21)
    fine = np.concatenate([np.linspace(a, b, 400, endpoint=False) for a, b in pairwise(edges)])
    fine += np.repeat(np.diff(edges) / 800, 400)
    expected = stats.wasserstein_distance(fine, fine, np.repeat(one, 400), np.repeat(two, 400))
    assert wasserstein_of_counts(one, two, edges) == pytest.approx(expected, rel=1e-4)
    assert wasserstein_of_counts(one, np.zeros(20, dtype=np.int64), edges) is None


@pytest.mark.parametrize(("n", "m"), [(400, 400), (400, 150)])
def test_chi2_is_that_of_the_contingency_table(n: int, m: int) -> None:
    found = compare(normal(n, 1), normal(m, 2, 0.3), EDGES)
    table = np.stack([found.reference_counts, found.generated_counts])
    expected = stats.chi2_contingency(table[:, table.sum(axis=0) > 0], correction=False)
    assert found.chi2_ndf == pytest.approx(expected.statistic / expected.dof, rel=1e-12)


def test_the_error_is_the_scatter_of_independent_samples() -> None:
    found = [compare(normal(2000, 2 * k), normal(1500, 2 * k + 1, 0.2), EDGES, seed=k) for k in range(60)]
    scatter = np.std([one.separation for one in found], ddof=1)
    assert np.mean([one.error for one in found]) == pytest.approx(scatter, rel=0.3)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.6])
def test_the_error_is_right_at_the_floor_too_where_a_plain_bootstrap_gives_1_6_times_the_scatter(shift: float) -> None:
    fine = np.linspace(-3.0, 3.0, 101)
    found = [compare(normal(1000, 2 * k), normal(1000, 2 * k + 1, shift), fine, seed=k) for k in range(80)]
    scatter = np.std([one.separation for one in found], ddof=1)
    assert np.mean([one.error for one in found]) == pytest.approx(scatter, rel=0.25)


@pytest.mark.parametrize(("n", "empty", "expected"), [(5000, 0.0, 0.5), (50, 0.0, 0.65), (150, 0.9, 0.82)])
def test_a_floor_falls_slower_than_with_one_over_n_where_bins_are_nearly_empty(
    n: int, empty: float, expected: float
) -> None:
    fine, rng = np.linspace(-3.0, 3.0, 101), np.random.default_rng(1)

    def floor(size: int):  # type: ignore[no-untyped-def]
        pair = [np.where(rng.random(size) < empty, 0.0, rng.normal(size=size)) for _ in range(2)]
        return compare(*pair, fine, resamplings=0)

    small = [floor(n) for _ in range(250)]
    truth = np.mean([floor(2 * n).separation for _ in range(250)]) / np.mean([one.separation for one in small])
    predicted = np.mean([floor_scale(one, 2.0) for one in small])
    assert predicted == pytest.approx(truth, rel=0.06)
    assert predicted == pytest.approx(expected, rel=0.06)
    assert all(0.5 <= floor_scale(one, 2.0) <= 1.0 for one in small)


def test_the_error_of_showers_with_many_entries_knows_that_they_belong_together() -> None:
    def showers(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        where = rng.normal(0.0, 0.7, 600)[:, None] + rng.normal(0.0, 0.3, (600, 40))
        return np.stack([np.histogram(row, np.concatenate([[-np.inf], EDGES, [np.inf]]))[0] for row in where])

    found = [compare_counts(showers(2 * k), showers(2 * k + 1), EDGES, seed=k) for k in range(40)]
    scatter = np.std([one.separation for one in found], ddof=1)
    error = np.mean([one.error for one in found])
    naive = []
    for one in found:
        parts = [np.repeat((EDGES[1:] + EDGES[:-1]) / 2, c) for c in (one.reference_counts, one.generated_counts)]
        naive.append(compare(parts[0], parts[1], EDGES).error)
    assert scatter / 1.5 < error < 1.8 * scatter
    assert np.mean(naive) < scatter / 2
    assert 0.6 < np.mean([one.chi2_ndf for one in found]) < 1.6
    assert found[0].reference_entries == 600 * 40


def test_empty_histograms_have_rules_and_no_numbers_that_are_not_numbers() -> None:
    values, far = normal(50, 0), np.full(50, 9.0)
    one, both = compare(values, far, EDGES), compare(far, far, EDGES)
    assert (one.separation, one.error, one.chi2_ndf) == (1.0, 0.0, None)
    assert (both.separation, both.error, both.chi2_ndf, both.wasserstein) == (0.0, 0.0, None, 0.0)
    assert one.note == "the generated histogram is empty" and both.note == "both histograms are empty"
    none = compare(values, np.full(3, np.nan), EDGES)
    assert none.separation == 1.0 and none.wasserstein is None and "3 generated values are not finite" in none.note
    nothing = np.zeros((4, 22), dtype=np.uint32)
    assert compare_counts(nothing, nothing, EDGES).separation == 0.0


def test_equal_seeds_give_equal_errors() -> None:
    pair = normal(200, 0), normal(200, 1)
    errors = [compare(*pair, EDGES, seed=seed).error for seed in (3, 3, 4)]
    assert errors[0] == errors[1] != errors[2]
    assert compare(*pair, EDGES, resamplings=0).error == 0.0
