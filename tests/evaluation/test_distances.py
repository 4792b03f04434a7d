"""FPD and KPD: the numbers of jetnet 0.2.5, the definitions in plain numpy, and input that cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transcription_distances as plain

from caloforge.errors import CaloforgeError
from caloforge.evaluation import kernel_distance
from caloforge.evaluation.feature_pairs import comparable
from caloforge.evaluation.frechet import FrechetSettings, fpd
from caloforge.evaluation.kernel_distance import KernelSettings, kpd
from caloforge.evaluation.moments import Moments

GOLDEN = json.loads((Path(__file__).parent.parent / "data" / "golden" / "fpd_kpd.json").read_text())
SMALL = FrechetSettings(min_samples=300, max_samples=1500, batches=3, points=4)


def recipe(seed: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """The arrays of fpd_kpd.json."""
    x = np.random.default_rng(seed).normal(size=(30_000, 30)) * scale + shift
    x[:, :5] = np.abs(x[:, :5]) * [1, 10, 100, 1e3, 1e4]
    return x


def correlated(n: int, features: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Features whose directions vary between 1 and 1e-3 in size, with an offset."""
    mix = np.random.default_rng(0).normal(size=(features, features)) * np.logspace(0, -3, features)
    return (np.abs(np.random.default_rng(seed).normal(size=(n, features))) + 1 + shift) @ mix.T


def close(found: tuple[float, float], expected: tuple[float, float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_jetnet_says_the_same_of_the_golden_arrays() -> None:
    real, generated = recipe(1), recipe(2, 1.05, 0.02)
    close(fpd(real, generated), GOLDEN["fpd_min_samples_10000"])
    close(kpd(real, generated), GOLDEN["kpd_batch_10000"])
    close(fpd(real, real), GOLDEN["fpd_self"])


@pytest.mark.parametrize("features", [4, 130])
def test_the_transcription_says_the_same(features: int) -> None:
    real, generated = correlated(900, features, 1), correlated(700, features, 2, 0.05)
    close(fpd(real, generated, 3, SMALL), plain.fpd(real, generated, 300, 1500, 3, 4, 3))
    close(kpd(real, generated, 3, KernelSettings(400, 4)), plain.kpd(real, generated, 400, 4, 3))


def test_the_golden_arrays_by_the_transcription() -> None:
    real, generated = recipe(1), recipe(2, 1.05, 0.02)
    close(plain.fpd(real, generated, 10_000), GOLDEN["fpd_min_samples_10000"])


@pytest.mark.parametrize("drawn", [30, 500, 4000])
def test_moments_of_batches_are_those_of_the_rows_drawn(drawn: int) -> None:
    values = correlated(1000, 150, 1)
    moments, rng = Moments(values), np.random.default_rng(0)
    rows = [rng.choice(1000, drawn) for _ in range(4)]
    assert moments.group_size(drawn) >= 1
    means, covariances = moments.of(np.stack([np.bincount(one, minlength=1000) for one in rows]))
    for one, mean, covariance in zip(rows, means, covariances, strict=True):
        lower = np.tril(covariance)
        whole = lower + np.tril(lower, -1).T
        np.testing.assert_allclose(moments.mean + moments.frame @ mean, values[one].mean(axis=0), atol=1e-5)
        expected = np.cov(values[one], rowvar=False)
        np.testing.assert_allclose(
            moments.frame @ whole @ moments.frame.T, expected, rtol=1e-5, atol=1e-6 * expected.max()
        )


def test_sharing_between_batches_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = correlated(600, 120, 1), correlated(500, 120, 2, 0.1)
    found = []
    for size, shared in ((1, True), (5, False)):
        monkeypatch.setattr(Moments, "group_size", lambda self, drawn, size=size: size)
        monkeypatch.setattr(kernel_distance, "_shared_is_faster", lambda *args, shared=shared: shared)
        settings = FrechetSettings(300, 1500, 5, 3)
        found.append((fpd(real, generated, settings=settings), kpd(real, generated, settings=KernelSettings(400, 4))))
    close(found[0][0], found[1][0])
    close(found[0][1], found[1][1])


def test_the_number_of_threads_changes_no_byte() -> None:
    real, generated = correlated(600, 40, 1), correlated(900, 40, 2, 0.1)
    for threads in (2, 3):
        assert fpd(real, generated, 1, SMALL, threads) == fpd(real, generated, 1, SMALL, 1)
        few = KernelSettings(700, 3)
        assert kpd(real, generated, 1, few, threads) == kpd(real, generated, 1, few, 1)


@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_few_showers_constant_and_duplicate_features() -> None:
    real, generated = correlated(5, 8, 1), correlated(4, 8, 2, 0.3)
    for few in (real, generated):
        few[:, 3], few[:, 4], few[:, 6] = 0.0, 7.0, few[:, 5]
    value, error = fpd(real, generated, settings=SMALL)
    expected = plain.gaussian_distance(*plain.scaled(real[np.arange(5000) % 5], generated[np.arange(5000) % 4]))
    assert value == pytest.approx(expected, rel=0.2) and error >= 0
    close(kpd(real, generated, settings=KernelSettings(50, 3)), plain.kpd(real, generated, 50, 3))
    same = np.full((20, 3), 2.0)
    assert fpd(same, same, settings=SMALL)[0] == pytest.approx(0, abs=1e-4)
    assert kpd(same, same, settings=KernelSettings(50, 3)) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))


@pytest.mark.parametrize("distance", [fpd, kpd])
def test_what_cannot_be_compared_is_said(distance: Callable[..., Any]) -> None:
    good = correlated(20, 3, 1)
    holed = good.copy()
    holed[7, 1] = np.nan
    with pytest.raises(CaloforgeError, match="generated features of shower 7 are not finite"):
        distance(good, holed)
    with pytest.raises(CaloforgeError, match="reference features have shape"):
        distance(good[:1], good)
    with pytest.raises(CaloforgeError, match="3 features and the generated sample 2"):
        distance(good, good[:, :2])


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(CaloforgeError, match="FrechetSettings has min_samples"):
        FrechetSettings(min_samples=100, max_samples=50)
    with pytest.raises(CaloforgeError, match="KernelSettings has batch_size"):
        KernelSettings(batch_size=1)


def test_only_large_samples_are_comparable_with_published_values() -> None:
    large = np.zeros((50_000, 1))
    assert comparable(large, large) and not comparable(large, large[1:])
