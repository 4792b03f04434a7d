"""Thirty-line toys of other families than CaloFlow go through the one loop and the one sampler."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from caloforge.generative.contracts import Density, Noise, Objective, Sampler, Turn, sample
from caloforge.training import NoData, TensorBatches, TrainingSettings, load_weights, resolve, train

QUICK = TrainingSettings(tensorboard=False, keep=1, seed=1, threads=1)


def _settings(**changes) -> TrainingSettings:
    return TrainingSettings(**(QUICK.as_json() | changes))


def _mlp(*widths: int) -> nn.Sequential:
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers[:-1])


def _seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return make()


def _normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _draw(n: int, model, condition=None, seed: int = 3) -> Tensor:
    with torch.no_grad():
        return sample(model, n, condition, torch.Generator().manual_seed(seed))


class AffineFlow(nn.Module):
    """Affine coupling flow of the tests' own: x = f(z | c), with its likelihood."""

    def __init__(self, features: int, context: int = 0, layers: int = 4) -> None:
        super().__init__()
        self.features, self.half = features, features // 2
        self.nets = nn.ModuleList()
        for layer in range(layers):
            kept = self.half if layer % 2 == 0 else features - self.half
            self.nets.append(_mlp(kept + context, 32, 2 * (features - kept)))

    def _step(self, layer: int, x: Tensor, condition, inverse: bool) -> tuple[Tensor, Tensor]:
        a, b = (x[:, : self.half], x[:, self.half :]) if layer % 2 == 0 else (x[:, self.half :], x[:, : self.half])
        context = [condition["context"]] if "context" in condition else []
        shift, scale = self.nets[layer](torch.cat([a, *context], -1)).chunk(2, -1)
        scale = torch.tanh(scale) * 2
        b = (b - shift) * torch.exp(-scale) if inverse else b * torch.exp(scale) + shift
        return torch.cat([a, b] if layer % 2 == 0 else [b, a], -1), scale.sum(-1)

    def noise(self, condition, settings=None):
        return {"z": Noise((self.features,))}

    def push(self, z: Tensor, condition) -> tuple[Tensor, Tensor]:
        """x and log |dx/dz| of z."""
        logdet = z.new_zeros(len(z))
        for layer in range(len(self.nets)):
            z, part = self._step(layer, z, condition, inverse=False)
            logdet = logdet + part
        return z, logdet

    def decode(self, noise, condition, settings=None):
        return self.push(noise["z"], condition)[0]

    def log_prob(self, x, condition, settings=None, generator=None):
        logdet = x.new_zeros(len(x))
        for layer in reversed(range(len(self.nets))):
            x, part = self._step(layer, x, condition, inverse=True)
            logdet = logdet - part
        return logdet - 0.5 * (x.square().sum(-1) + self.features * math.log(2 * math.pi))


class Likelihood(Objective):
    """Maximum likelihood of any density."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch, turn, generator):
        condition = {name: value for name, value in batch.items() if name != "x"}
        return {"loss": -self.model.log_prob(batch["x"], condition).mean()}


# A GAN: two players, of whom one is kept.


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = _mlp(2, 32, 2)

    def noise(self, condition, settings=None):
        return {"z": Noise((2,), "uniform")}

    def decode(self, noise, condition, settings=None):
        return self.net(2 * noise["z"] - 1)


class Wasserstein(Objective):
    """WGAN with gradient penalty: five turns of the critic, one of the generator."""

    turns = (Turn("critic", "critic", 5), Turn("generator", "model", 1))

    def __init__(self) -> None:
        super().__init__()
        self.model, self.critic = Generator(), _mlp(2, 64, 64, 1)

    def forward(self, batch, turn, generator):
        fake = sample(self.model, len(batch["x"]), {}, generator)
        if turn == "generator":
            return {"loss": -self.critic(fake).mean()}
        mix = torch.rand(len(fake), 1, generator=generator)
        between = (mix * batch["x"] + (1 - mix) * fake.detach()).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        distance = self.critic(batch["x"]).mean() - self.critic(fake.detach()).mean()
        penalty = (slope.norm(dim=-1) - 1).square().mean()
        return {"loss": 10 * penalty - distance, "distance": distance}


def test_gan_of_two_players(tmp_path):
    data = 0.3 * _normal(2048, 2) + torch.tensor([2.0, -1.0])
    objective = _seeded(Wasserstein)
    settings = _settings(epochs=25, learning_rate=2e-3, betas=(0.0, 0.9), ema_decay=0.98)
    train(objective, TensorBatches({"x": data}, 32), settings, tmp_path, show=False)
    assert isinstance(objective.model, Sampler) and not isinstance(objective.model, Density)
    fake = _draw(2000, objective.model)
    assert (fake.mean(0) - data.mean(0)).abs().max() < 0.15 and (fake.std(0) - 0.3).abs().max() < 0.15
    assert all(name.startswith("net.") for name in load_weights(tmp_path))


# Two stages: an autoencoder, then a flow in its latent space.


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = _mlp(6, 32, 2), _mlp(2, 32, 6)


class Reconstruction(Objective):
    def __init__(self) -> None:
        super().__init__()
        self.model = Autoencoder()

    def forward(self, batch, turn, generator):
        latent = self.model.encoder(batch["x"])
        return {"loss": (self.model.decoder(latent) - batch["x"]).square().mean() + 1e-3 * latent.square().mean()}


class LatentFlow(nn.Module):
    """The product that is shipped: the flow and, frozen, the decoder of the first stage."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder, self.flow = autoencoder.requires_grad_(False), AffineFlow(2)

    def noise(self, condition, settings=None):
        return self.flow.noise(condition, settings)

    def decode(self, noise, condition, settings=None):
        return self.autoencoder.decoder(self.flow.decode(noise, condition, settings))


class LatentLikelihood(Likelihood):
    def forward(self, batch, turn, generator):
        return {"loss": -self.model.flow.log_prob(self.model.autoencoder.encoder(batch["x"]), {}).mean()}


def test_autoencoder_then_flow_in_its_latent_space(tmp_path):
    hidden = _normal(1024, 2) * torch.tensor([1.0, 0.5]) + 1
    data = torch.tanh(hidden @ _normal(2, 6, seed=1) * 0.4)
    first = _seeded(Reconstruction)
    result = train(
        first, TensorBatches({"x": data}, 64), _settings(epochs=40, learning_rate=3e-3), tmp_path / "1", show=False
    )
    assert result.best_loss < 0.1 * data.var()
    taken_over = Autoencoder()
    taken_over.load_state_dict(load_weights(tmp_path / "1"))
    second = _seeded(lambda: LatentLikelihood(LatentFlow(taken_over)))
    settings = _settings(epochs=30, learning_rate=3e-3, schedule="one-cycle", clip_norm=5.0)
    train(second, TensorBatches({"x": data}, 64), settings, tmp_path / "2", show=False)
    weights = load_weights(tmp_path / "2")
    assert torch.equal(weights["autoencoder.decoder.0.weight"], load_weights(tmp_path / "1")["decoder.0.weight"])
    made = _draw(4000, second.model)
    assert (made.mean(0) - data.mean(0)).abs().max() < 0.1 and (made.std(0) - data.std(0)).abs().max() < 0.1


# One factor that is applied three times, each time given what came before and its index.


class Chain(nn.Module):
    """p(x1) p(x2 | x1) p(x3 | x2), all three by one network with the index among its conditions."""

    def __init__(self, times: int = 3) -> None:
        super().__init__()
        self.times, self.factor = times, AffineFlow(2, context=2 + times)

    def context(self, before: Tensor, index: int):
        one_hot = torch.eye(self.times)[index].expand(len(before), -1)
        return {"context": torch.cat([before, one_hot], -1)}

    def noise(self, condition, settings=None):
        return {f"z{index}": Noise((2,)) for index in range(self.times)}

    def decode(self, noise, condition, settings=None):
        parts = [torch.zeros_like(noise["z0"])]
        for index in range(self.times):
            parts.append(self.factor.decode({"z": noise[f"z{index}"]}, self.context(parts[-1], index)))
        return torch.stack(parts[1:], 1)

    def log_prob(self, x, condition, settings=None, generator=None):
        before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
        return sum(self.factor.log_prob(x[:, k], self.context(before[:, k], k)) for k in range(self.times))


def test_one_factor_applied_three_times(tmp_path):
    steps = _normal(1024, 3, 2) * 0.3 + torch.tensor([0.5, -0.5])
    objective = _seeded(lambda: Likelihood(Chain()))
    settings = _settings(epochs=25, learning_rate=5e-3, schedule="one-cycle", clip_norm=5.0)
    held_out = TensorBatches({"x": (_normal(256, 3, 2, seed=9) * 0.3 + torch.tensor([0.5, -0.5])).cumsum(1)}, 64)
    batches = TensorBatches({"x": steps.cumsum(1)}, 64)
    result = train(objective, batches, settings, tmp_path, validation=held_out, show=False)
    assert isinstance(objective.model, Sampler) and isinstance(objective.model, Density)
    entropy = 6 * (0.5 * math.log(2 * math.pi * math.e) + math.log(0.3))
    assert result.best_loss < entropy + 0.35
    walk = _draw(4000, objective.model)
    assert walk.shape == (4000, 3, 2)
    assert (walk.mean(0) - steps.cumsum(1).mean(0)).abs().max() < 0.15
    increments = walk[:, 1:] - walk[:, :-1]
    assert (increments.std(0) - 0.3).abs().max() < 0.12


# A set: points with a mask, any order.


class Cloud(nn.Module):
    """Points around a common centre; the mask, a condition, says which of them are there."""

    def __init__(self) -> None:
        super().__init__()
        self.point, self.spread = _mlp(4, 32, 2), nn.Parameter(torch.zeros(()))

    def noise(self, condition, settings=None):
        return {"points": Noise((condition["mask"].shape[1], 2)), "centre": Noise((2,))}

    def decode(self, noise, condition, settings=None):
        centre = noise["centre"][:, None].expand_as(noise["points"])
        moved = self.point(torch.cat([noise["points"], centre], -1)) + self.spread.exp() * noise["points"]
        return moved * condition["mask"][..., None]


class EnergyDistance(Objective):
    """Energy distance between the means and the spreads of real and made sets: needs no likelihood."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Cloud()

    @staticmethod
    def _summary(points: Tensor, mask: Tensor) -> Tensor:
        weight = (mask / mask.sum(1, keepdim=True))[..., None]
        mean = (weight * points).sum(1)
        variance = (weight * (points - mean[:, None]).square()).sum(1)
        return torch.cat([mean, variance], -1)

    def forward(self, batch, turn, generator):
        condition = {"mask": batch["mask"]}
        real = self._summary(batch["x"], batch["mask"])
        made = self._summary(sample(self.model, len(real), condition, generator), batch["mask"])
        off = 1 - torch.eye(len(made))
        among = ((made[:, None] - made[None]).square().sum(-1) + 1e-12).sqrt() * off
        return {"loss": 2 * torch.cdist(real, made).mean() - among.sum() / off.sum()}


def test_set_with_a_mask(tmp_path):
    generator = torch.Generator().manual_seed(0)
    mask = (torch.arange(7) < torch.randint(2, 8, (1024, 1), generator=generator)).float()
    points = (_normal(1024, 7, 2) * 0.5 + _normal(1024, 1, 2, seed=4) * 0.7 + 1.5) * mask[..., None]
    objective = _seeded(EnergyDistance)
    batches = TensorBatches({"x": points, "mask": mask}, 64)
    settings = _settings(epochs=25, learning_rate=3e-3, schedule="one-cycle")
    result = train(objective, batches, settings, tmp_path, show=False)
    assert result.history[-1]["train/loss"] < 0.8 * result.history[0]["train/loss"]
    made = _draw(1024, objective.model, {"mask": mask})
    assert bool((made[mask == 0] == 0).all())
    order = torch.randperm(7, generator=generator)
    noise = {"points": _normal(4, 7, 2), "centre": _normal(4, 2)}
    some = {"mask": mask[:4]}
    turned = objective.model.decode(noise | {"points": noise["points"][:, order]}, {"mask": mask[:4, order]})
    assert torch.allclose(turned, objective.model.decode(noise, some)[:, order], atol=1e-6)
    real, fake = (EnergyDistance._summary(x, mask) for x in (points, made))
    assert (real.mean(0) - fake.mean(0)).abs().max() < 0.15


# An objective without data: a flow fitted to a function on the unit square.


class SquareFlow(nn.Module):
    """A flow whose samples lie in the unit square, with the density of each: what importance sampling needs."""

    def __init__(self) -> None:
        super().__init__()
        self.flow = AffineFlow(2, layers=6)

    def noise(self, condition, settings=None):
        return self.flow.noise(condition)

    def with_density(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Points and the log of their density."""
        y, logdet = self.flow.push(z, {})
        base = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
        squeezed = (nn.functional.logsigmoid(y) + nn.functional.logsigmoid(-y)).sum(-1)
        return torch.sigmoid(y), base - logdet - squeezed

    def decode(self, noise, condition, settings=None):
        return self.with_density(noise["z"])[0]


def integrand(x: Tensor) -> Tensor:
    """A peak on the unit square; its integral is known."""
    return torch.exp(-0.5 * ((x - torch.tensor([0.3, 0.6])) / 0.1).square().sum(-1))


class ReverseDivergence(Objective):
    def __init__(self) -> None:
        super().__init__()
        self.model = SquareFlow()

    def forward(self, batch, turn, generator):
        x, log_q = self.model.with_density(torch.randn(256, 2, generator=generator))
        return {"loss": (log_q - integrand(x).clamp_min(1e-30).log()).mean()}


def test_objective_without_data(tmp_path):
    objective = _seeded(ReverseDivergence)
    settings = _settings(epochs=4, learning_rate=5e-3, schedule="one-cycle", clip_norm=5.0)
    result = train(objective, NoData(150), settings, tmp_path, validation=NoData(4), show=False)
    exact = 2 * math.pi * 0.1**2
    for edge in ((0.3, 0.7), (0.6, 0.4)):
        exact *= 0.5 * sum(math.erf(distance / 0.1 / math.sqrt(2)) for distance in edge)
    assert result.best_loss + math.log(exact) < 0.05
    with torch.no_grad():
        x, log_q = objective.model.with_density(_normal(4000, 2, seed=8))
        weights = integrand(x) / log_q.exp()
    error = float(weights.std() / len(weights) ** 0.5)
    assert abs(float(weights.mean()) - exact) < 4 * error < 0.05 * exact
    inside = _draw(100, objective.model)
    assert bool(((inside > 0) & (inside < 1)).all())


# A model with a frozen teacher, which never enters a checkpoint.


class Student(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = _mlp(2, 48, 48, 2)

    def noise(self, condition, settings=None):
        return {"z": Noise((2,))}

    def decode(self, noise, condition, settings=None):
        return self.net(noise["z"])


class Matching(Objective):
    """The student makes of the same noise what the teacher makes of it."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.model, self.teacher = Student(), teacher.requires_grad_(False)

    def forward(self, batch, turn, generator):
        assert not self.teacher.training
        noise = {"z": torch.randn(128, 2, generator=generator)}
        return {"loss": (self.model.decode(noise, {}) - self.teacher.decode(noise, {})).square().mean()}


def test_model_with_a_frozen_teacher(tmp_path):
    teacher = _seeded(lambda: AffineFlow(2))
    with torch.no_grad():
        for net in teacher.nets:
            net[-1].weight.mul_(0.3)
        teacher.nets[0][-1].bias.copy_(torch.tensor([0.8, 0.3]))
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    objective = _seeded(lambda: Matching(teacher))
    settings = _settings(epochs=4, learning_rate=5e-3, schedule="one-cycle", ema_decay=0.95)
    result = train(objective, NoData(100), settings, tmp_path, validation=NoData(4), show=False)
    assert result.best_loss < 0.01
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.safetensors"))
    assert b"teacher" not in kept and b"nets" not in kept
    assert set(load_weights(tmp_path)) == set(Student().state_dict())


def test_every_toy_gives_equal_draws_from_equal_generators_and_from_its_checkpoint(tmp_path):
    objective = _seeded(lambda: Likelihood(AffineFlow(3, context=1)))
    data = {"x": _normal(128, 3), "context": _normal(128, 1, seed=2)}
    train(objective, TensorBatches(data, 32), _settings(epochs=2), tmp_path, show=False)
    kept = AffineFlow(3, context=1)
    kept.load_state_dict(load_weights(resolve(tmp_path)))
    condition = {"context": data["context"][:50]}
    assert torch.equal(_draw(50, objective.model, condition), _draw(50, kept, condition))
    assert not torch.equal(_draw(50, kept, condition), _draw(50, kept, condition, seed=4))
