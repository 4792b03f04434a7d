"""Every coupling by the same contract, and each against POT or its closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import ot
import pytest
import torch

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    ConditionalOT,
    Coupling,
    ExactOT,
    Independent,
    Sinkhorn,
    SortedOT,
    sinkhorn_plan,
)
from caloforge.generative.transport_cost import centred_products, spread

COUPLINGS = [Independent(), ExactOT(), Sinkhorn(0.5), SortedOT(), ConditionalOT(), ConditionalOT(1.0, ("kind",))]
EXACT = [coupling for coupling in COUPLINGS if not isinstance(coupling, Sinkhorn)]


def _batch(n: int, *shape: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    g = torch.Generator().manual_seed(seed)
    condition = {"energy": torch.rand(n, 1, generator=g), "kind": torch.randint(0, 3, (n,), generator=g)}
    return torch.randn(n, *shape, generator=g), 2 * torch.randn(n, *shape, generator=g) + 1, condition


@pytest.mark.parametrize("coupling", COUPLINGS, ids=repr)
def test_the_contract(coupling: Coupling) -> None:
    noise, data, condition = _batch(60, 1)
    order = coupling.order(noise, data, condition, np.random.default_rng(1))
    again = coupling.order(noise, data, condition, np.random.default_rng(1))
    assert order.dtype == torch.int64 and order.shape == (60,) and torch.equal(order, again)
    assert int(order.min()) >= 0 and int(order.max()) < 60
    assert eval(repr(coupling)) == coupling


@pytest.mark.parametrize("coupling", EXACT, ids=repr)
def test_exact_couplings_keep_every_sample(coupling: Coupling) -> None:
    for n in (1, 2, 7, 130):
        noise, data, condition = _batch(n, 1)
        order = coupling.order(noise, data, condition, np.random.default_rng(1))
        assert order.sort().values.tolist() == list(range(n))


@pytest.mark.parametrize("coupling", COUPLINGS, ids=repr)
def test_a_batch_of_one_and_of_none(coupling: Coupling) -> None:
    for n in (0, 1):
        noise, data, condition = _batch(n, 1)
        assert coupling.order(noise, data, condition, np.random.default_rng(0)).tolist() == [0] * n


@pytest.mark.parametrize("coupling", COUPLINGS, ids=repr)
def test_unequal_sizes_are_refused(coupling: Coupling) -> None:
    noise, data, condition = _batch(5, 1)
    with pytest.raises(CaloforgeError, match="equal numbers of noise and data, not 4 and 5"):
        coupling.order(noise[:4], data, condition, np.random.default_rng(0))
    with pytest.raises(CaloforgeError, match=r"of one shape, not of \(1, 1\) and \(1,\)"):
        coupling.order(noise[:, None], data, condition, np.random.default_rng(0))
    with pytest.raises(CaloforgeError, match="'energy' has 3 rows for 5 samples"):
        coupling.order(noise, data, condition | {"energy": torch.zeros(3, 1)}, np.random.default_rng(0))


@pytest.mark.parametrize("coupling", [c for c in COUPLINGS if not isinstance(c, Independent)], ids=repr)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_data_that_are_not_finite_are_refused(coupling: Coupling, value: float) -> None:
    noise, data, condition = _batch(12, 1)
    data[3] = value
    with pytest.raises(CaloforgeError, match="finite"):
        coupling.order(noise, data, condition, np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(2,), (504,), (3, 4, 5)])
def test_exact_transport_costs_what_pot_finds(shape: tuple[int, ...]) -> None:
    noise, data, condition = _batch(150, *shape)
    paired = noise[ExactOT().order(noise, data, condition, np.random.default_rng(0))]
    mine = float((paired.double() - data.double()).square().sum() / len(data))
    best = ot.emd2([], [], ot.dist(data.flatten(1).double().numpy(), noise.flatten(1).double().numpy()))
    assert mine == pytest.approx(best, rel=1e-6)


def test_exact_transport_far_from_the_origin() -> None:
    noise, data, condition = _batch(150, 20)
    order = ExactOT().order(noise, data, condition, np.random.default_rng(0))
    moved = ExactOT().order(noise, data + 1000.0, condition, np.random.default_rng(0))
    assert torch.equal(order, moved)


def test_sorting_is_exact_transport_in_one_dimension() -> None:
    noise, data, condition = _batch(300, 1)
    noise, data = noise.double(), data.double()
    by_sorting = SortedOT().order(noise, data, condition, np.random.default_rng(0))
    assert torch.equal(by_sorting, ExactOT().order(noise, data, condition, np.random.default_rng(0)))
    flat = SortedOT().order(noise[:, 0], data[:, 0], condition, np.random.default_rng(0))
    assert torch.equal(by_sorting, flat)
    with pytest.raises(CaloforgeError, match=r"not samples of shape \(2,\); take ExactOT"):
        SortedOT().order(torch.zeros(4, 2), torch.zeros(4, 2), {}, np.random.default_rng(0))


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 10.0])
def test_sinkhorn_finds_the_plan_of_pot(epsilon: float) -> None:
    cost = torch.rand(30, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plan = sinkhorn_plan(cost, epsilon, iterations=200_000, tolerance=1e-10)
    theirs = ot.sinkhorn([], [], cost.numpy(), epsilon, method="sinkhorn_log", numItermax=200_000, stopThr=1e-12)
    assert np.allclose(plan.numpy(), theirs, atol=1e-9)
    assert torch.allclose(plan.sum(0), torch.full((40,), 1 / 40, dtype=torch.float64))


def test_sinkhorn_is_batched_and_survives_small_regularisation() -> None:
    cost = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(1))
    plans = sinkhorn_plan(cost, 0.1)
    for problem, plan in zip(cost, plans, strict=True):
        assert torch.allclose(sinkhorn_plan(problem, 0.1, tolerance=1e-6), plan, atol=1e-5)
    sharp = sinkhorn_plan(1e4 * cost[0].double(), 1.0)
    assert (20 * sharp.sum(1) - 1).abs().mean() < 1e-2
    best = ot.emd2([], [], 1e4 * cost[0].double().numpy())
    assert float((sharp * 1e4 * cost[0]).sum()) == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan")])
def test_sinkhorn_needs_regularisation(epsilon: float) -> None:
    with pytest.raises(CaloforgeError, match=r"epsilon of Sinkhorn is .*; give a number above 0"):
        sinkhorn_plan(torch.zeros(2, 2), epsilon)
    with pytest.raises(CaloforgeError, match=r"Sinkhorn has epsilon=.*; give a finite number above 0"):
        Sinkhorn(epsilon)


def test_sinkhorn_says_where_it_does_not_converge() -> None:
    cost = torch.rand(20, 20, generator=torch.Generator().manual_seed(2))
    with pytest.warns(UserWarning, match=r"30 iterations .* rows off by 0\.\d+ of their sum .* a larger epsilon"):
        sinkhorn_plan(cost, 1e-4, iterations=30)


@pytest.mark.parametrize("settings", [{"iterations": 0}, {"tolerance": 0.0}, {"tolerance": float("nan")}])
def test_sinkhorn_needs_an_end(settings: dict[str, Any]) -> None:
    with pytest.raises(CaloforgeError, match=f"Sinkhorn has {next(iter(settings))}="):
        Sinkhorn(**settings)


def test_sinkhorn_draws_from_its_plan() -> None:
    noise, data, condition = _batch(6, 2)
    coupling = Sinkhorn(1.0)
    plan = coupling.plan(noise, data).numpy()
    rng = np.random.default_rng(0)
    counts = np.zeros((6, 6))
    for _ in range(500):
        counts[np.arange(6), coupling.order(noise, data, condition, rng).numpy()] += 1
    expected = 500 * plan / plan.sum(1, keepdims=True)
    assert ((counts - expected) ** 2 / np.maximum(expected, 1.0)).sum() < 66  # chi-squared of 30, probability 2e-4


def test_between_exact_and_independent() -> None:
    noise, data, condition = _batch(200, 3)

    def cost(coupling: Coupling) -> float:
        order = coupling.order(noise, data, condition, np.random.default_rng(0))
        return float((noise[order] - data).square().sum(1).mean())

    exact, free = cost(ExactOT()), cost(Independent())
    assert exact <= cost(Sinkhorn(0.01)) < cost(Sinkhorn(1.0)) < 0.95 * free
    assert cost(Sinkhorn(1e4)) == pytest.approx(free, rel=0.1)
    assert cost(ConditionalOT(0.0)) == pytest.approx(exact, rel=1e-6)


def test_equal_samples_have_a_plan() -> None:
    same = torch.ones(5, 3)
    assert torch.allclose(Sinkhorn().plan(same, same), torch.full((5, 5), 0.04))
    assert ExactOT().order(same, same, {}, np.random.default_rng(0)).sort().values.tolist() == list(range(5))


def test_products_and_spread_are_those_of_the_distances() -> None:
    noise, data, _ = _batch(40, 3)
    distance = ot.dist(data.double().numpy(), noise.double().numpy())
    distance = distance - distance.mean(0) - distance.mean(1, keepdims=True) + distance.mean()
    assert np.allclose(-2 * centred_products(data.double(), noise.double()).numpy(), distance)
    assert spread(centred_products(data, noise)) == pytest.approx(float(np.sqrt((distance**2).mean())))
    assert centred_products(data.bfloat16(), noise.bfloat16()).dtype == torch.float32


def test_requires_grad_and_half_precision_do_not_matter() -> None:
    noise, data, condition = _batch(30, 3)
    order = ExactOT().order(noise, data, condition, np.random.default_rng(0))
    assert torch.equal(order, ExactOT().order(noise.requires_grad_(), data, condition, np.random.default_rng(0)))
