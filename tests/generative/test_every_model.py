"""What every generative model must hold: shapes, gradients, invertibility, Jacobian, seeded sampling, save and load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from caloforge.generative import (
    RK4,
    VAE,
    CrossEntropy,
    DataPrediction,
    Density,
    EvidenceBound,
    Flow,
    GaussianMixture,
    Hits,
    LipmanGaussian,
    MaximumLikelihood,
    Midpoint,
    OdeSettings,
    Sampler,
    SideBySide,
    TimeGrid,
    VelocityField,
    draw_noise,
    sample,
)
from caloforge.nn import TimedMLP

FEATURES, CONTEXT = 6, 2
Model = Flow | VelocityField
FLOWS: dict[str, Callable[[], Flow]] = {
    "masked": lambda: Flow(FEATURES, CONTEXT, 3, 10, 5, 4.0),
    "masked, few units": lambda: Flow(FEATURES, CONTEXT, 2, 3, 5, 4.0),
    "masked, deep": lambda: Flow(FEATURES, CONTEXT, 2, (7, 9), 4, 4.0),
    "masked, nflows": lambda: Flow(FEATURES, CONTEXT, 2, (11, 11), 4, 4.0, degrees="nflows", context_mode="nflows"),
    "masked, groups": lambda: Flow(FEATURES, CONTEXT, 4, 8, 4, 4.0, groups=(2, 4)),
    "masked, one feature": lambda: Flow(1, CONTEXT, 2, 4, 4, 4.0),
    "inverse": lambda: Flow(FEATURES, CONTEXT, 3, 10, 5, 4.0, direction="inverse"),
    "inverse, deep": lambda: Flow(FEATURES, CONTEXT, 2, (7, 9), 4, 4.0, direction="inverse"),
    "inverse, nflows": lambda: Flow(FEATURES, CONTEXT, 2, 11, 4, 4.0, direction="inverse", degrees="nflows"),
    "unconditional": lambda: Flow(FEATURES, 0, 3, 8, 4, 4.0, permutation="random"),
}
QUICK = OdeSettings(Midpoint(), TimeGrid.power(2, 1.3))
FIELDS: dict[str, Callable[[], VelocityField]] = {
    "velocity": lambda: VelocityField(TimedMLP(FEATURES, (16, 16), CONTEXT), FEATURES, settings=QUICK),
    "velocity of predicted data, unconditional": lambda: VelocityField(
        TimedMLP(FEATURES, (16,)), FEATURES, LipmanGaussian(0.3), DataPrediction(0.2), QUICK
    ),
}
MODELS: dict[str, Callable[[], Model]] = {**FLOWS, **FIELDS}
AUTOENCODERS: dict[str, Callable[[], VAE]] = {
    "autoencoder, Gaussian": lambda: VAE(GaussianMixture(FEATURES), CONTEXT, 3, (16,), (16, 8)),
    "autoencoder, cross-entropy": lambda: VAE(CrossEntropy(FEATURES), CONTEXT, 3, (16,), (16, 8)),
    "autoencoder, hits": lambda: VAE(
        SideBySide({"a": GaussianMixture(2, 2), "b": Hits(2, 2)}), CONTEXT, 3, (16,), (9,)
    ),
    "autoencoder, unconditional": lambda: VAE(Hits(3), 0, 2, (), (16,)),
}
EVERY: dict[str, Callable[[], Model | VAE]] = {**MODELS, **AUTOENCODERS}


def built(name: str) -> Model | VAE:
    torch.manual_seed(1)
    found = EVERY[name]()
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return found


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    found = built(request.param)
    assert not isinstance(found, VAE)
    return found


@pytest.fixture(params=EVERY)
def sampler(request: pytest.FixtureRequest) -> Model | VAE:
    return built(request.param)


@pytest.fixture(params=AUTOENCODERS)
def autoencoder(request: pytest.FixtureRequest) -> VAE:
    found = built(request.param)
    assert isinstance(found, VAE)
    return found


@pytest.fixture(params=FLOWS)
def flow(request: pytest.FixtureRequest) -> Flow:
    found = built(request.param)
    assert isinstance(found, Flow)
    return found


def allowed(model: Model, tolerance: float) -> float:
    """The tolerance of a flow; velocity fields get finer steps and are exact to the error of these."""
    if not isinstance(model, VelocityField):
        return tolerance
    model.settings = OdeSettings(RK4(), 10)
    return max(tolerance, 1e-3)


def context(model: Model | VAE, n: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    owner = model.network if isinstance(model, VelocityField) else model
    features = int(owner.context_features)  # type: ignore[arg-type]
    return {"context": torch.randn(n, features, dtype=dtype)} if features else {}


def test_shapes_and_contract(sampler: Model | VAE) -> None:
    assert isinstance(sampler, Sampler) and isinstance(sampler, Density) != isinstance(sampler, VAE)
    condition = context(sampler, 5)
    x = sample(sampler, 5, condition)
    assert x.shape == (5, sampler.features) and x.dtype == torch.float32
    bound = sampler.bound(x, condition) if isinstance(sampler, VAE) else sampler.log_prob(x, condition)
    assert bound.shape == (5,) and bound.isfinite().all()


def test_gradients_of_every_parameter(sampler: Model | VAE) -> None:
    condition = context(sampler, 64)
    x = sample(sampler, 64, condition).detach() if isinstance(sampler, VAE) else torch.randn(64, sampler.features)
    objective = EvidenceBound(sampler) if isinstance(sampler, VAE) else MaximumLikelihood(sampler)
    objective({"x": x} | condition, "model", torch.Generator())["loss"].backward()
    for name, parameter in sampler.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        if sampler.features > 1:  # a single feature depends on no hidden unit
            assert parameter.grad.abs().max() > 0, name


def test_gradients_of_the_bound_against_finite_differences(autoencoder: VAE) -> None:
    autoencoder.double()
    condition = context(autoencoder, 2, torch.float64)
    with torch.no_grad():
        noise = draw_noise(autoencoder.noise(condition), 2, torch.Generator().manual_seed(0), torch.float64)
        x = autoencoder.decode(noise, condition)
    names, values = zip(*autoencoder.named_parameters(), strict=True)

    def bound(*parameters: torch.Tensor) -> torch.Tensor:
        class Bound(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = autoencoder

            def forward(self) -> torch.Tensor:
                return self.inner.bound(x, condition, 3, torch.Generator().manual_seed(1))

        own = {f"inner.{name}": value for name, value in zip(names, parameters, strict=True)}
        found: torch.Tensor = torch.func.functional_call(Bound(), own, ())
        return found

    assert torch.autograd.gradcheck(bound, values, eps=1e-6, atol=1e-4, rtol=1e-3, fast_mode=True)


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_gradients_against_finite_differences(model: Model, direction: str) -> None:
    model.double()
    condition = context(model, 2, torch.float64)
    value = torch.randn(2, model.features, dtype=torch.float64)
    run = (
        (lambda v: model.encode(v, condition))
        if direction == "encode"
        else (lambda v: model.decode({"z": v}, condition))
    )
    assert torch.autograd.gradcheck(run, (value.requires_grad_(),), eps=1e-7, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_second_derivatives_of_the_kernels_are_those_of_plain_torch(model: Model, direction: str) -> None:
    """In float32 kernels run, in float64 plain torch."""
    value, condition = torch.randn(6, model.features, dtype=torch.float64), context(model, 6, torch.float64)
    found = []
    for dtype in (torch.float64, torch.float32):
        model.to(dtype)
        given = {name: tensor.to(dtype) for name, tensor in condition.items()}
        at = value.to(dtype).requires_grad_()
        if direction == "encode":
            out = model.log_prob(at, given)
        else:
            out = model.decode({"z": at}, given).square()
        (first,) = torch.autograd.grad(out.sum(), at, create_graph=True)
        parameters = [p for p in model.parameters() if p.requires_grad]
        second = torch.autograd.grad(first.square().sum(), [at, *parameters], allow_unused=True)
        found.append([first, *second])
    for theirs, mine in zip(*found, strict=True):
        assert (mine is None) == (theirs is None) or (theirs if mine is None else mine).abs().max() == 0  # type: ignore[union-attr]
        if mine is not None and theirs is not None:
            torch.testing.assert_close(
                mine.double(), theirs, rtol=2e-2, atol=2e-3 * (1 + float(theirs.detach().abs().max()))
            )


def test_gradients_of_the_weights_through_the_walk(flow: Flow) -> None:
    flow.double()
    condition = context(flow, 3, torch.float64)
    z = torch.randn(3, flow.features, dtype=torch.float64)
    with torch.no_grad():
        x = flow.decode({"z": z}, condition)
    block = flow.blocks[0].made.output_layer.bias
    by_decode = torch.autograd.grad(flow.decode({"z": z}, condition).sum(), block)[0]
    step = 1e-6 * torch.randn_like(block)
    with torch.no_grad():
        block.add_(step)
        moved = flow.decode({"z": z}, condition)
    assert (moved - x).sum().item() == pytest.approx((by_decode * step).sum().item(), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-3), (torch.float64, 1e-9)])
def test_invertible(model: Model, dtype: torch.dtype, tolerance: float) -> None:
    tolerance = allowed(model.to(dtype), tolerance)
    condition = context(model, 200, dtype)
    x = 2.5 * torch.randn(200, model.features, dtype=dtype)
    with torch.no_grad():
        z, _ = model.encode(x, condition)
        torch.testing.assert_close(model.decode({"z": z}, condition), x, atol=tolerance, rtol=0)


def test_jacobian_against_autograd(model: Model) -> None:
    tolerance = allowed(model.double(), 1e-7)
    condition = context(model, 4, torch.float64)
    x = 2 * torch.randn(4, model.features, dtype=torch.float64)
    _, logabsdet = model.encode(x, condition)
    for row in range(4):
        own = {name: value[row : row + 1] for name, value in condition.items()}
        jacobian = torch.autograd.functional.jacobian(lambda v, own=own: model.encode(v[None], own)[0][0], x[row])
        assert torch.linalg.slogdet(jacobian)[1].item() == pytest.approx(logabsdet[row].item(), abs=tolerance)


def test_density_integrates_to_one() -> None:
    torch.manual_seed(2)
    for direction in ("masked", "inverse"):
        flow = Flow(2, 0, 3, 8, 6, 3.0, direction=direction).double()  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter in flow.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            axis = torch.linspace(-7, 7, 351, dtype=torch.float64)
            density = flow.log_prob(torch.cartesian_prod(axis, axis), {}).exp().sum() * (axis[1] - axis[0]) ** 2
        assert density.item() == pytest.approx(1, abs=2e-3)


def test_seeded_sampling(sampler: Model | VAE) -> None:
    condition = context(sampler, 8)
    draws = [sample(sampler, 8, condition, torch.Generator().manual_seed(seed)).detach() for seed in (3, 3, 4)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    noise = draw_noise(sampler.noise(condition), 8, torch.Generator().manual_seed(3))
    assert torch.equal(sampler.decode(noise, condition).detach(), draws[0])


def test_the_walk_with_and_without_gradients_agrees(flow: Flow) -> None:
    condition, z = context(flow, 8), torch.randn(8, flow.features)
    tracked = flow.decode({"z": z}, condition)
    with torch.no_grad():
        torch.testing.assert_close(flow.decode({"z": z}, condition), tracked, atol=1e-5, rtol=1e-5)


def test_mixed_precision_stays_finite(model: Model) -> None:
    condition, x = context(model, 16), 3 * torch.randn(16, model.features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(model.log_prob(x, condition)).all()
        with torch.no_grad():
            assert torch.isfinite(model.decode({"z": x}, condition)).all()


def test_mixed_precision_of_autoencoders_stays_finite(autoencoder: VAE) -> None:
    condition = context(autoencoder, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        x = sample(autoencoder, 16, condition)
        assert x.dtype == torch.float32 and torch.isfinite(x).all()
        assert torch.isfinite(autoencoder.bound(x, condition)).all()


def test_save_and_load(sampler: Model | VAE, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    torch.save(sampler.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(99)
    other = EVERY[request.node.callspec.params["sampler"]]()
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    condition = context(sampler, 5)
    x = sample(sampler, 5, condition)
    assert torch.equal(x, sample(other, 5, condition))
    mine, theirs = (one.bound if isinstance(one, VAE) else one.log_prob for one in (sampler, other))
    assert torch.equal(mine(x, condition), theirs(x, condition))


EXPORTED = [name for name in EVERY if name.startswith(("inverse", "autoencoder")) or name == "velocity"]


@pytest.mark.parametrize("name", EXPORTED)
def test_what_samples_in_passes_exports_without_kernels(name: str) -> None:
    one = EVERY[name]().eval()

    class Decode(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = one

        def forward(self, noise: dict[str, torch.Tensor], condition: dict[str, torch.Tensor]) -> torch.Tensor:
            return self.one.decode(noise, condition)

    condition = context(one, 3)
    noise = draw_noise(one.noise(condition), 3, torch.Generator().manual_seed(0))
    exported = torch.export.export(Decode(), (noise, condition))
    assert "caloforge" not in exported.graph_module.code
    decoded = one.decode(noise, condition)
    torch.testing.assert_close(exported.module()(noise, condition), decoded, atol=1e-4, rtol=1e-4)
