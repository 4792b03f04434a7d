"""One property test for every bijection: round trip, log-determinant against autograd, finite at the ends."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from caloforge.factors import (
    Bijection,
    Chain,
    HitStandardise,
    LayerFractions,
    Log,
    Logit,
    SmoothStandardise,
    Softplus,
    Standardise,
    ThresholdLog,
)

N, D = 64, 5


def shares(generator: torch.Generator) -> Tensor:
    return torch.rand(N, D, generator=generator)


def energies(generator: torch.Generator) -> Tensor:
    return torch.rand(N, D, generator=generator) * 1e3


def fitted(step: SmoothStandardise) -> SmoothStandardise:
    generator = torch.Generator().manual_seed(5)
    energy = incident(generator)
    step.fit(torch.randn(N, D, generator=generator) * energy.log() + energy.log(), energy)
    return step


def fitted_to_hits() -> HitStandardise:
    generator = torch.Generator().manual_seed(5)
    energy, step = incident(generator), HitStandardise(D)
    step.fit_hits(torch.randn(N, D, generator=generator) + energy.log(), torch.rand(N, D) < 0.5, energy)
    return step


def incident(generator: torch.Generator) -> Tensor:
    return 1e4 + 9e4 * torch.rand(N, 1, generator=generator)


BIJECTIONS: dict[str, tuple[Callable[[], Bijection], Callable[[torch.Generator], Tensor]]] = {
    "logit": (lambda: Logit(1e-6), shares),
    "log": (lambda: Log(1e-3), energies),
    "threshold log": (lambda: ThresholdLog(20.0, 30.0), energies),
    "threshold log without offset": (lambda: ThresholdLog(20.0, 0.0), energies),
    "softplus": (Softplus, energies),
    "layer fractions": (lambda: LayerFractions(1.05), energies),
    "standardise": (lambda: fitted(Standardise(D)), energies),
    "smooth standardise": (lambda: fitted(SmoothStandardise(D)), energies),
    "hit standardise": (fitted_to_hits, energies),
    "chain": (lambda: Chain(LayerFractions(1.05), Logit(1e-6), fitted(SmoothStandardise(D))), energies),
}


@pytest.fixture(params=BIJECTIONS)
def case(request: pytest.FixtureRequest) -> tuple[Bijection, Tensor, Tensor]:
    make, draw = BIJECTIONS[request.param]
    generator = torch.Generator().manual_seed(7)
    return make(), draw(generator), incident(generator)


def test_round_trip_in_float32(case: tuple[Bijection, Tensor, Tensor]) -> None:
    bijection, x, energy = case
    back = bijection.inverse(bijection(x, energy)[0], energy)
    torch.testing.assert_close(back, x, rtol=2e-4, atol=2e-4 * float(x.abs().max()))


def test_log_determinant_against_autograd(case: tuple[Bijection, Tensor, Tensor]) -> None:
    bijection, x, energy = (part.double() for part in case)
    _, log_determinant = bijection(x, energy)
    for row in range(8):
        jacobian = torch.autograd.functional.jacobian(
            lambda value, e=energy[row : row + 1]: bijection(value[None], e)[0][0], x[row]
        )
        expected = torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(log_determinant[row], expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", BIJECTIONS)
def test_finite_on_zeros_single_voxels_and_the_largest_energies(name: str) -> None:
    make, draw = BIJECTIONS[name]
    bijection, largest = make(), 1.0 if draw is shares else 4.2e6
    x = torch.zeros(3, D)
    x[1, 2] = x[2, :] = largest
    energy = torch.tensor([[1e3], [4.2e6], [4.2e6 * D]])
    y, log_determinant = bijection(x, energy)
    assert y.isfinite().all() and log_determinant.isfinite().all()
    assert bijection.inverse(y, energy).isfinite().all()


def test_u_space_follows_its_definition() -> None:
    layers = torch.tensor([[20.0, 60.0, 20.0], [0.0, 0.0, 0.0]])
    u, _ = LayerFractions(1.25)(layers, torch.tensor([[100.0], [100.0]]))
    torch.testing.assert_close(u, torch.tensor([[0.8, 0.2, 0.75], [0.0, 0.0, 0.0]]))


def test_smooth_standardise_takes_the_trend_away() -> None:
    generator = torch.Generator().manual_seed(1)
    energy = 1e3 * torch.exp(torch.rand(20000, 1, generator=generator) * 4)
    x = energy.log() * (1 + 0.3 * torch.randn(20000, 2, generator=generator))
    step = SmoothStandardise(2)
    step.fit(x, energy)
    y, _ = step(x, energy)
    for part in (y[energy[:, 0] < 3e3], y[energy[:, 0] > 2e4]):
        assert part.mean(0).abs().max() < 0.05
        assert (part.std(0) - 1).abs().max() < 0.05


def test_alpha_must_leave_room() -> None:
    with pytest.raises(ValueError, match=r"alpha is 0\.7"):
        Logit(0.7)


def test_hits_alone_are_standardised_and_rare_ones_drawn_towards_the_mean_of_all() -> None:
    generator = torch.Generator().manual_seed(1)
    energy = 1e4 + 9e4 * torch.rand(4000, 1, generator=generator)
    x = torch.tensor([2.0, 5.0, 9.0]) + torch.tensor([1.0, 0.5, 1.0]) * torch.randn(4000, 3, generator=generator)
    x = x + torch.tensor([0.7, -0.4, 0.0]) * energy.log()
    hit = torch.rand(4000, 3, generator=generator) < torch.tensor([0.6, 0.2, 0.0])
    step = HitStandardise(3, prior_hits=1.0)
    step.fit_hits(torch.where(hit, x, torch.full_like(x, 1e3)), hit, energy)
    y = step(x, energy)[0]
    for column in range(2):
        values = y[hit[:, column], column]
        assert values.mean().abs() < 0.05 and values.std().item() == pytest.approx(1, abs=0.08)
        low, high = values[energy[hit[:, column], 0] < 3e4], values[energy[hit[:, column], 0] > 8e4]
        assert (low.mean() - high.mean()).abs() < 0.25
    never = step.inverse(torch.zeros(1, 3), energy[:1])[0, 2]
    assert never.item() == pytest.approx(x[hit].mean().item(), abs=0.1)
