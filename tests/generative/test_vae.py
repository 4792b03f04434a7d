"""Autoencoders against closed forms: a linear Gaussian one, divergences and mixtures of torch, frequencies of draws."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, distributions
from torch.nn import functional as F

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    VAE,
    CrossEntropy,
    EvidenceBound,
    Flow,
    GaussianMixture,
    Hits,
    MaximumLikelihood,
    Posterior,
    SideBySide,
    draw_noise,
    log_prob,
)
from caloforge.generative.observation import SMALLEST_SPREAD
from caloforge.training import TensorBatches, TrainingSettings, train

D, LATENT = 5, 2


def linear_gaussian() -> tuple[VAE, distributions.MultivariateNormal]:
    """x = W z + b + noise with orthogonal columns of W, its exact posterior as encoder, and its likelihood."""
    generator = torch.Generator().manual_seed(3)
    directions = torch.linalg.qr(torch.randn(D, LATENT, generator=generator, dtype=torch.float64))[0]
    weight, bias = directions * torch.tensor([2.0, 0.7], dtype=torch.float64), torch.linspace(-1, 1, D).double()
    spread = 0.5
    model = VAE(GaussianMixture(D), 0, LATENT, (), ()).double()
    precision = 1 + weight.square().sum(0) / spread**2
    with torch.no_grad():
        decoder, encoder = model.decoder.layers[0], model.encoder.layers[0]
        decoder.weight.copy_(torch.cat([weight, torch.zeros(D, LATENT)]))
        raw = math.log(math.expm1(spread - SMALLEST_SPREAD))
        decoder.bias.copy_(torch.cat([bias, torch.full((D,), raw, dtype=torch.float64)]))
        mean = weight.T / spread**2 / precision[:, None]
        encoder.weight.copy_(torch.cat([mean, torch.zeros(LATENT, D)]))
        encoder.bias.copy_(torch.cat([-mean @ bias, -0.5 * precision.log()]))
    covariance = weight @ weight.T + spread**2 * torch.eye(D, dtype=torch.float64)
    return model, distributions.MultivariateNormal(bias, covariance)


def test_with_the_exact_posterior_the_bound_is_the_likelihood_at_every_draw() -> None:
    model, law = linear_gaussian()
    x = law.sample((20,))
    for draws in (1, 3):
        found = model.bound(x, {}, draws, torch.Generator().manual_seed(draws))
        torch.testing.assert_close(found, law.log_prob(x), atol=1e-9, rtol=1e-9)


def test_with_another_posterior_bounds_stay_below_and_rise_with_the_draws() -> None:
    model, law = linear_gaussian()
    torch.manual_seed(0)
    x = law.sample((40_000,))
    exact = model.posterior(x, {})
    with torch.no_grad():
        model.encoder.layers[0].bias.add_(torch.tensor([0.1, -0.3, 0.2, 0.4]))
        found = [model.bound(x, {}, draws).mean() for draws in (1, 4, 64)]
    likelihood = law.log_prob(x).mean()
    assert found[0] < found[1] < found[2] < likelihood + 0.005
    own = model.posterior(x, {})
    laws = [distributions.Normal(posterior.mean, posterior.log_spread.exp()) for posterior in (own, exact)]
    gap = distributions.kl_divergence(*laws).sum(-1).mean()
    assert (likelihood - found[0]).item() == pytest.approx(gap.item(), abs=0.02)


def test_the_divergence_is_that_of_torch_with_its_gradient() -> None:
    mean, log_spread = (torch.randn(7, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    prior = distributions.Normal(torch.zeros(()).double(), torch.ones(()).double())
    own = Posterior(mean, log_spread).divergence()
    reference = distributions.kl_divergence(distributions.Normal(mean, log_spread.exp()), prior)
    torch.testing.assert_close(own, reference)
    for a, b in zip(*(torch.autograd.grad(k.sum(), (mean, log_spread)) for k in (own, reference)), strict=True):
        torch.testing.assert_close(a, b)
    z = torch.randn(4, 7, 3, dtype=torch.float64)
    expected = distributions.Normal(mean, log_spread.exp()).log_prob(z).sum(-1)
    torch.testing.assert_close(Posterior(mean, log_spread).log_prob(z), expected)


def mixture(numbers: Tensor, components: int) -> distributions.Distribution:
    """The law of a `GaussianMixture` by torch."""
    parts = numbers.unflatten(-1, (-1, D)).movedim(1, -1)
    means, raw = parts[..., :components], parts[..., components : 2 * components]
    normal = distributions.Normal(means, SMALLEST_SPREAD + F.softplus(raw))
    logits = parts[..., 2 * components :] if components > 1 else torch.zeros_like(means)
    return distributions.MixtureSameFamily(distributions.Categorical(logits=logits), normal)


@pytest.mark.parametrize("components", [1, 3])
def test_mixtures_against_torch(components: int) -> None:
    law = GaussianMixture(D, components).double()
    numbers, x = torch.randn(6, law.outputs, dtype=torch.float64), torch.randn(6, D, dtype=torch.float64)
    reference = mixture(numbers, components)
    torch.testing.assert_close(law.log_prob(x, numbers), reference.log_prob(x).sum(-1))
    one = numbers[:1].expand(20_000, -1)
    drawn = law.draw(one, draw_noise(law.noise(), len(one), torch.Generator().manual_seed(1), torch.float64))
    for column in range(D):
        values = drawn[:, column].numpy()

        def cdf(v, column=column):  # type: ignore[no-untyped-def]
            every = torch.as_tensor(v)[:, None].expand(-1, D)
            return mixture(numbers[:1], components).cdf(every)[:, column].numpy()

        assert kstest(values, cdf).pvalue > 1e-4


@pytest.mark.parametrize("components", [1, 3])
def test_hits_are_a_law_and_drawn_as_often_as_it_says(components: int) -> None:
    law = Hits(D, components).double()
    numbers = torch.randn(1, law.outputs, dtype=torch.float64)
    axis = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    one = Hits(1, components)
    for voxel in range(D):
        own = numbers.unflatten(-1, (-1, D))[..., voxel].expand(len(axis), -1)
        at = torch.stack([torch.ones_like(axis), axis], -1)
        hit = torch.trapezoid(one.log_prob(at, own).exp(), axis).item()
        empty = one.log_prob(torch.zeros(1, 2).double(), own[:1]).exp().item()
        assert hit + empty == pytest.approx(1, abs=1e-6)
        noise = draw_noise(law.noise(), 20_000, torch.Generator().manual_seed(2), torch.float64)
        drawn = law.draw(numbers.expand(20_000, -1), noise)
        assert drawn[:, voxel].mean().item() == pytest.approx(hit, abs=4 * math.sqrt(hit * empty / 20_000))
        values = drawn[drawn[:, voxel] > 0.5, D + voxel]
        density = one.log_prob(at, own).exp() / hit
        cumulated = torch.cumulative_trapezoid(density, axis)
        found = torch.bucketize(values, axis[1:]).clamp_max(len(cumulated) - 1)
        assert kstest(cumulated[found].numpy(), "uniform").pvalue > 1e-4
    assert (drawn[:, D:][drawn[:, :D] == 0] == 0).all()


def test_cross_entropy_is_bernoulli_on_binary_images() -> None:
    law, numbers, x = CrossEntropy(D), torch.randn(6, D), torch.randint(0, 2, (6, D)).float()
    expected = distributions.Bernoulli(logits=numbers).log_prob(x).sum(-1)
    torch.testing.assert_close(law.log_prob(x, numbers), expected)
    assert law.noise() == {}
    torch.testing.assert_close(law.draw(numbers, {}), numbers.sigmoid())


def test_side_by_side_is_the_sum_and_its_names_lead() -> None:
    parts = {"energies": GaussianMixture(2, 2), "voxels": Hits(3)}
    law = SideBySide(parts)
    assert list(law.noise()) == ["energies.choice", "energies.value", "voxels.choice", "voxels.value"]
    numbers, noise = torch.randn(8, law.outputs), draw_noise(law.noise(), 8, torch.Generator().manual_seed(0))
    x = law.draw(numbers, noise)
    assert x.shape == (8, law.features) == (8, 8)
    first, second = numbers.split([12, 9], -1)
    expected = parts["energies"].log_prob(x[:, :2], first) + parts["voxels"].log_prob(x[:, 2:], second)
    torch.testing.assert_close(law.log_prob(x, numbers), expected)


def test_the_weight_warms_up_in_the_gradient_and_the_loss_told_is_the_bound() -> None:
    model, law = linear_gaussian()
    batch = {"x": law.sample((50,))}
    objective = EvidenceBound(model, beta=0.5, warm_up=4)
    weights = []
    for _ in range(6):
        weights.append(objective.weight())
        found = objective(batch, "model", torch.Generator().manual_seed(0))
        posterior = model.posterior(batch["x"], {})
        z = posterior.draw(torch.randn(50, LATENT, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
        reconstruction = -model.observation.log_prob(batch["x"], model.numbers(z, {})).mean()
        divergence = posterior.divergence().sum(-1).mean()
        torch.testing.assert_close(found["loss"], reconstruction + 0.5 * divergence)
        bias = model.encoder.layers[0].bias
        own = torch.autograd.grad(found["loss"], bias)[0]
        torch.testing.assert_close(own, torch.autograd.grad(reconstruction + weights[-1] * divergence, bias)[0])
    assert weights == [0, 0.125, 0.25, 0.375, 0.5, 0.5] and int(objective.steps) == 6
    full = EvidenceBound(model).eval()
    losses = [full(batch, "model", torch.Generator().manual_seed(n))["loss"] for n in range(400)]
    assert torch.stack(losses).mean().item() == pytest.approx(-law.log_prob(batch["x"]).mean().item(), abs=0.05)
    assert int(full.steps) == 0


def test_free_nats_cost_nothing() -> None:
    model, law = linear_gaussian()
    batch, generator = {"x": law.sample((50,))}, torch.Generator()
    free = EvidenceBound(model, free_nats=30.0)(batch, "model", generator.manual_seed(0))
    bound = EvidenceBound(model, beta=0.0)(batch, "model", generator.manual_seed(0))
    bias = model.encoder.layers[0].bias
    gradients = [torch.autograd.grad(found["loss"], bias)[0] for found in (free, bound)]
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(free["loss"], free["reconstruction"] + free["divergence"])


def test_training_uses_the_latent_and_stays_below_the_likelihood(tmp_path: Path) -> None:
    torch.manual_seed(1)
    directions = torch.linalg.qr(torch.randn(D, LATENT))[0] * torch.tensor([2.0, 1.0])
    law = distributions.MultivariateNormal(torch.zeros(D), directions @ directions.T + 0.04 * torch.eye(D))
    data = law.sample((2048,))
    model = VAE(GaussianMixture(D), 0, LATENT, (32,), (32,))
    settings = TrainingSettings(epochs=20, learning_rate=5e-3, schedule="one-cycle", threads=1, tensorboard=False)
    train(EvidenceBound(model, warm_up=200), TensorBatches({"x": data}, 64), settings, tmp_path, show=False)
    with torch.no_grad():
        reached = model.bound(data, {}, 20).mean().item()
    independent = distributions.Normal(data.mean(0), data.std(0)).log_prob(data).sum(-1).mean().item()
    assert independent + 1 < reached < law.log_prob(data).mean().item() + 0.02


def test_what_cannot_be_is_said() -> None:
    model = VAE(Hits(3), 2, LATENT, (8,), (8,))
    x, context = torch.zeros(4, 6), {"context": torch.zeros(4, 2)}
    with pytest.raises(CaloforgeError, match="latent=0"):
        VAE(Hits(3), 2, 0, (8,), (8,))
    with pytest.raises(CaloforgeError, match="components=0"):
        Hits(3, 0)
    with pytest.raises(CaloforgeError, match="context of 2 columns, but found none"):
        model.bound(x, {})
    with pytest.raises(CaloforgeError, match="but found 5"):
        model.bound(x, {"context": torch.zeros(4, 5)})
    with pytest.raises(CaloforgeError, match="draws=0"):
        model.bound(x, context, 0)
    with pytest.raises(CaloforgeError, match="VAE has no log-likelihood"):
        log_prob(model, x, context)
    with pytest.raises(CaloforgeError, match="Flow is no VAE"):
        EvidenceBound(Flow(2, 0, 1, 4, 4, 4.0))
    with pytest.raises(CaloforgeError, match="beta=-1"):
        EvidenceBound(model, beta=-1)
    with pytest.raises(CaloforgeError, match="VAE has no log_prob"):
        MaximumLikelihood(model)
