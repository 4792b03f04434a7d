"""Likelihood along an ODE, where the flow of a Gaussian is known in closed form, and against autograd elsewhere."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    RK4,
    DataPrediction,
    Dopri5,
    ExactTrace,
    Heun,
    Hutchinson,
    Linear,
    LipmanGaussian,
    MaximumLikelihood,
    NoisePrediction,
    OdeSettings,
    Path,
    Prediction,
    TimeGrid,
    VariancePreserving,
    VelocityField,
    VelocityPrediction,
    log_prob,
    sample,
)
from caloforge.nn import DiT, TimedMLP
from caloforge.nn.patches import PatchLayout

MEAN = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
ROOT = torch.tensor([[0.7, 0.0, 0.0], [0.4, 0.5, 0.0], [-0.3, 0.2, 1.1]], dtype=torch.float64)


class ToGaussian(nn.Module):
    """The exact word of a prediction for data that are N(MEAN, ROOT ROOT^T): E[noise | x_t] and E[data | x_t] are
    linear in x_t, so that the flow is x_t = a m + (a^2 S + s^2)^(1/2) z for commuting matrices."""

    def __init__(self, path: Path, prediction: Prediction) -> None:
        super().__init__()
        self.path, self.prediction = path, prediction

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        weights = self.path.weights(t[0].double())
        a, s = weights.data, weights.noise
        covariance = a**2 * ROOT @ ROOT.T + s**2 * torch.eye(3, dtype=x.dtype)
        whitened = torch.linalg.solve(covariance, (x - a * MEAN).T).T
        return self.prediction.of(s * whitened, MEAN + a * whitened @ ROOT @ ROOT.T, t, self.path)


def gaussian(path: Path, prediction: Prediction | None = None) -> VelocityField:
    prediction = prediction if prediction is not None else VelocityPrediction()
    return VelocityField(ToGaussian(path, prediction), 3, path, prediction)


def truth(path: Path) -> torch.distributions.MultivariateNormal:
    """What the flow ends in: the data, for LipmanGaussian in a Gaussian of sigma_min around them."""
    width = getattr(path, "sigma_min", 0.0)
    return torch.distributions.MultivariateNormal(MEAN, ROOT @ ROOT.T + width**2 * torch.eye(3, dtype=MEAN.dtype))


@pytest.mark.parametrize("path", [Linear(), LipmanGaussian(0.1), VariancePreserving()], ids=repr)
@pytest.mark.parametrize("settings", [OdeSettings(RK4(), 60), OdeSettings(Dopri5(1e-9, 1e-9))], ids=["RK4", "Dopri5"])
def test_density_of_a_gaussian(path: Path, settings: OdeSettings) -> None:
    law = truth(path)
    x = law.sample((20,))
    found = log_prob(gaussian(path), x, {}, settings)
    torch.testing.assert_close(found, law.log_prob(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("path", [Linear(), VariancePreserving()], ids=repr)
@pytest.mark.parametrize("prediction", [VelocityPrediction(), DataPrediction(1e-3), NoisePrediction(1e-3)], ids=repr)
def test_every_prediction_generates_the_gaussian(path: Path, prediction: Prediction) -> None:
    grid = TimeGrid((0.0, *torch.linspace(0.01, 0.99, 99).tolist(), 1.0))
    z = torch.randn(4000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = gaussian(path, prediction).decode({"z": z}, {}, OdeSettings(Heun(), grid))
    exact = gaussian(path).decode({"z": z}, {}, OdeSettings(RK4(), 50))
    assert (x - exact).abs().mean() < 0.02
    torch.testing.assert_close(exact.T.cov(), ROOT @ ROOT.T, atol=0.1, rtol=0)


def random_field(features: int = 3, context: int = 2) -> tuple[VelocityField, dict[str, Tensor]]:
    torch.manual_seed(3)
    model = VelocityField(TimedMLP(features, (24, 24), context), features, settings=OdeSettings(RK4(), 20)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    return model, {"context": torch.randn(6, context, dtype=torch.float64)}


def test_exact_trace_against_autograd_through_the_whole_solver() -> None:
    model, condition = random_field()
    x = torch.randn(6, 3, dtype=torch.float64)
    _, logabsdet = model.encode(x, condition)
    for row in range(6):
        own = {"context": condition["context"][row : row + 1]}
        jacobian = torch.autograd.functional.jacobian(lambda v, own=own: model.encode(v[None], own)[0][0], x[row])
        assert torch.linalg.slogdet(jacobian)[1].item() == pytest.approx(logabsdet[row].item(), abs=2e-5)


def test_hutchinson_is_unbiased_and_seeded() -> None:
    model, condition = random_field()
    x = torch.randn(6, 3, dtype=torch.float64)
    with torch.no_grad():
        exact = model.log_prob(x, condition, OdeSettings(RK4(), 8, ExactTrace()))
        rough = OdeSettings(RK4(), 8, Hutchinson())
        draws = torch.stack(
            [model.log_prob(x, condition, rough, torch.Generator().manual_seed(seed)) for seed in range(60)]
        )
        again = model.log_prob(x, condition, rough, torch.Generator().manual_seed(7))
        fine = model.log_prob(x, condition, OdeSettings(RK4(), 8, Hutchinson(64)), torch.Generator().manual_seed(0))
    assert torch.equal(again, draws[7]) and draws.std(0).max() > 1e-3
    assert ((draws.mean(0) - exact).abs() < 4 * draws.std(0) / math.sqrt(60) + 1e-12).all()
    assert (fine - exact).abs().mean() < 0.5 * (draws - exact).abs().mean()


def test_one_feature_needs_one_probe() -> None:
    model, condition = random_field(1)
    x = torch.randn(6, 1, dtype=torch.float64)
    found = [model.log_prob(x, condition, OdeSettings(RK4(), 8, trace)) for trace in (ExactTrace(), Hutchinson())]
    torch.testing.assert_close(*found, atol=1e-12, rtol=0)


def test_maximum_likelihood_through_the_solver() -> None:
    model, condition = random_field()
    x = torch.randn(6, 3, dtype=torch.float64)
    objective = MaximumLikelihood(model)
    loss = objective({"x": x} | condition, "model", torch.Generator())["loss"]
    weight = model.network.layers[0].weight  # type: ignore[union-attr, index]
    slope = torch.autograd.grad(loss, weight)[0]  # type: ignore[arg-type]
    step = 1e-6 * torch.randn_like(slope)
    with torch.no_grad():
        weight.add_(step)  # type: ignore[operator, arg-type]
        moved = objective({"x": x} | condition, "model", torch.Generator())["loss"]
    assert (moved - loss).item() == pytest.approx((slope * step).sum().item(), rel=1e-3)


def test_a_still_field_leaves_the_normal() -> None:
    class Still(nn.Module):
        def forward(self, x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
            return torch.zeros(x.shape)

    model, x = VelocityField(Still(), 2), torch.randn(5, 2)
    torch.testing.assert_close(model.log_prob(x, {}), torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(-1))
    assert torch.equal(
        sample(model, 3, None, torch.Generator().manual_seed(0)),
        torch.randn(3, 2, generator=torch.Generator().manual_seed(0)),
    )


def test_refused() -> None:
    class OnlySamples(nn.Module):
        pass

    with pytest.raises(CaloforgeError, match="OnlySamples has no log-likelihood"):
        log_prob(OnlySamples(), torch.zeros(1, 2))
    model, condition = random_field()
    with torch.inference_mode(), pytest.raises(CaloforgeError, match=r"forbids; use torch\.no_grad\(\)"):
        model.log_prob(torch.zeros(6, 3, dtype=torch.float64), condition)
    for ask in (lambda: log_prob(model, torch.zeros(4, 3), condition), lambda: sample(model, 4, condition)):
        with pytest.raises(CaloforgeError, match="'context' has 6 rows for 4 samples"):
            ask()


def test_likelihood_of_a_transformer_and_its_gradient() -> None:
    """Fused attention has no second derivative, which the gradient of a likelihood needs."""
    layout = PatchLayout((((0, 1), (2, 3)), ((4,),)), ((0, 0, 0), (0, 0.5, 0), (1, 0, 0)))
    torch.manual_seed(0)
    network = DiT(layout, width=8, depth=2, heads=2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    model, x = VelocityField(network, 5, settings=OdeSettings(RK4(), 3)), torch.randn(3, 5, dtype=torch.float64)
    found = []
    for dtype in (torch.float64, torch.float32):
        log_p = model.to(dtype).log_prob(x.to(dtype), {})
        found.append([log_p, *torch.autograd.grad(log_p.sum(), list(network.parameters()))])
        with torch.no_grad():
            torch.testing.assert_close(model.log_prob(x.to(dtype), {}), log_p)
    for plain, kernels in zip(*found, strict=True):
        torch.testing.assert_close(kernels.double(), plain, rtol=1e-3, atol=1e-3 * float(plain.detach().abs().max()))
    step = [1e-6 * torch.randn_like(slope) for slope in found[0][1:]]
    with torch.no_grad():
        for parameter, change in zip(network.double().parameters(), step, strict=True):
            parameter.add_(change)
        moved = (model.log_prob(x, {}) - found[0][0]).sum()
    along = sum(float((slope * change).sum()) for slope, change in zip(found[0][1:], step, strict=True))
    assert float(moved) == pytest.approx(along, rel=1e-2)
    with pytest.raises(CaloforgeError, match="probes=0"):
        Hutchinson(0)
