"""Paths, predictions and laws of time: ends, derivatives by autograd, conversions, quantiles."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.autograd.functional import jvp

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    DataPrediction,
    Linear,
    LipmanGaussian,
    LogitNormalTime,
    NoisePrediction,
    Path,
    Prediction,
    Stratified,
    TimeLaw,
    UniformTime,
    VariancePreserving,
    VelocityPrediction,
)

PATHS: tuple[Path, ...] = (Linear(), LipmanGaussian(), LipmanGaussian(0.1), VariancePreserving())
PREDICTIONS: tuple[Prediction, ...] = (VelocityPrediction(), DataPrediction(), NoisePrediction())
paths = pytest.mark.parametrize("path", PATHS, ids=repr)


def pair(n: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    noise, data = torch.randn(2, n, 3, dtype=torch.float64, generator=generator)
    return noise, data


@paths
def test_ends(path: Path) -> None:
    noise, data = pair()
    torch.testing.assert_close(path.at(noise, data, torch.zeros(7))[0], noise)
    width = getattr(path, "sigma_min", 0.0)
    torch.testing.assert_close(path.at(noise, data, torch.ones(7).double())[0], data + width * noise, atol=1e-7, rtol=0)


@paths
def test_velocity_is_the_derivative(path: Path) -> None:
    noise, data = pair()
    t = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    x, velocity = path.at(noise, data, t)
    found, slope = jvp(lambda time: path.at(noise, data, time)[0], t, torch.ones_like(t))
    torch.testing.assert_close(found, x)
    torch.testing.assert_close(slope, velocity)


def test_formulas_of_the_papers() -> None:
    noise, data = pair(1)
    t = torch.tensor([0.3], dtype=torch.float64)
    torch.testing.assert_close(Linear().at(noise, data, t), (0.3 * data + 0.7 * noise, data - noise))
    x, velocity = LipmanGaussian(0.1).at(noise, data, t)
    torch.testing.assert_close(x, 0.3 * data + (1 - 0.9 * 0.3) * noise)
    torch.testing.assert_close(velocity, (data - 0.9 * x) / (1 - 0.9 * 0.3))  # equation 21 of arXiv:2210.02747
    weights = VariancePreserving().weights(torch.linspace(0, 1, 11, dtype=torch.float64))
    torch.testing.assert_close(weights.data**2 + weights.noise**2, torch.ones(11, dtype=torch.float64))


@paths
@pytest.mark.parametrize("one", PREDICTIONS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("other", PREDICTIONS, ids=lambda one: type(one).__name__)
def test_conversions(path: Path, one: Prediction, other: Prediction) -> None:
    noise, data = pair()
    t = torch.linspace(0.1, 0.9, 7, dtype=torch.float64)
    x, velocity = path.at(noise, data, t)
    word = one.of(noise, data, t, path)
    torch.testing.assert_close(other.of(*one.ends(word, x, t, path), t, path), other.of(noise, data, t, path))
    torch.testing.assert_close(one.velocity(word, x, t, path), velocity)


@paths
@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda one: type(one).__name__)
def test_velocities_stay_bounded_at_the_ends(path: Path, prediction: Prediction) -> None:
    noise, data = pair()
    for time in (0.0, 1.0):
        t = torch.full((7,), time, dtype=torch.float64)
        x, _ = path.at(noise, data, t)
        velocity = prediction.velocity(prediction.of(noise, data, t, path) + 0.01, x, t, path)
        assert torch.isfinite(velocity).all() and velocity.abs().max() < 15


def test_quantiles_and_draws() -> None:
    generator = torch.Generator().manual_seed(1)
    u = torch.linspace(0.01, 0.99, 99)
    assert torch.equal(UniformTime().quantile(u), u)
    law = LogitNormalTime(0.4, 0.8)
    logits = torch.logit(law.draw(20000, generator).double())
    assert logits.mean().item() == pytest.approx(0.4, abs=4 * 0.8 / math.sqrt(20000))
    assert logits.std().item() == pytest.approx(0.8, rel=0.03)
    assert law.quantile(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0, 1 / (1 + math.exp(-0.4)), 1])


@pytest.mark.parametrize("law", [UniformTime(), LogitNormalTime()], ids=repr)
def test_stratified_times_fill_every_slice_in_random_order(law: TimeLaw) -> None:
    times = Stratified(law).draw(64, torch.Generator().manual_seed(3))
    edges = law.quantile(torch.linspace(0, 1, 65))
    ordered = times.sort().values
    assert bool(((ordered >= edges[:-1] - 1e-6) & (ordered <= edges[1:] + 1e-6)).all())
    assert not torch.equal(times, ordered)
    assert torch.equal(times, Stratified(law).draw(64, torch.Generator().manual_seed(3)))


@pytest.mark.parametrize(
    "make, settings",
    [
        (LipmanGaussian, {"sigma_min": 1.0}),
        (LipmanGaussian, {"sigma_min": -0.1}),
        (LogitNormalTime, {"spread": 0.0}),
        (LogitNormalTime, {"mean": math.nan}),
        (DataPrediction, {"floor": 0.0}),
        (NoisePrediction, {"floor": 1.0}),
    ],
)
def test_settings_that_are_refused(make: Any, settings: dict[str, float]) -> None:
    with pytest.raises(CaloforgeError, match=f"{next(iter(settings))}="):
        make(**settings)
