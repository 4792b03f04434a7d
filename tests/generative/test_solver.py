"""Solvers against torchdiffeq, their order measured, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchdiffeq import odeint
from torchdiffeq._impl.rk_common import rk4_step_func

from caloforge.errors import CaloforgeError
from caloforge.generative import RK4, Dopri5, Euler, Heun, Midpoint, RungeKutta, Tableau, TimeGrid

GRID = TimeGrid((0.0, 0.05, 0.3, 0.35, 0.8, 1.0))
FIXED = (Euler(), Midpoint(), Heun(), RK4())


class ThreeEighths(RungeKutta):
    """The fourth-order method that torchdiffeq calls rk4."""

    tableau = Tableau(
        (0.0, 1 / 3, 2 / 3, 1.0), ((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)), (1 / 8, 3 / 8, 3 / 8, 1 / 8)
    )
    order = 4


def pendulum(t: Tensor, x: Tensor) -> Tensor:
    """A pendulum driven along t."""
    return torch.stack([x[:, 1], -9 * torch.sin(x[:, 0]) + torch.cos(5 * t)], 1)


def start() -> Tensor:
    return torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "solver, name", [(Euler(), "euler"), (Midpoint(), "midpoint"), (Heun(), "heun2"), (ThreeEighths(), "rk4")]
)
def test_fixed_steps_are_those_of_torchdiffeq(solver: RungeKutta, name: str) -> None:
    expected = odeint(pendulum, start(), torch.tensor(GRID.times, dtype=torch.float64), method=name)
    torch.testing.assert_close(solver.trajectory(pendulum, start(), GRID), expected, atol=1e-13, rtol=0)
    found = solver.solve(pendulum, start(), GRID)
    torch.testing.assert_close(found.end, expected[-1], atol=1e-13, rtol=0)
    assert found.evaluations == 5 * len(solver.tableau.nodes)
    times = torch.tensor(GRID.times[::-1], dtype=torch.float64)
    back = odeint(pendulum, start(), times, method=name)[-1]
    torch.testing.assert_close(solver.solve(pendulum, start(), GRID, backward=True).end, back, atol=1e-13, rtol=0)


def test_rk4_is_the_classical_step_of_torchdiffeq() -> None:
    begin, step = (torch.tensor(value, dtype=torch.float64) for value in (0.2, 0.3))

    def plain(t: Tensor, x: Tensor, perturb: Any = None) -> Tensor:
        return pendulum(t, x)

    moved = rk4_step_func(plain, begin, step, begin + step, start())
    found = RK4().solve(pendulum, start(), TimeGrid((0.2, 0.5))).end
    torch.testing.assert_close(found, start() + moved, atol=1e-13, rtol=0)


@pytest.mark.parametrize("solver", FIXED, ids=lambda solver: type(solver).__name__)
def test_order_of_convergence(solver: RungeKutta) -> None:
    exact = odeint(pendulum, start(), torch.tensor([0.0, 1.0], dtype=torch.float64), rtol=1e-13, atol=1e-13)[-1]
    steps = np.array([32, 64, 128])
    errors = [float((solver.solve(pendulum, start(), TimeGrid.uniform(n)).end - exact).norm()) for n in steps]
    measured = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert measured == pytest.approx(solver.order, abs=0.2)


@pytest.mark.parametrize("solver", FIXED, ids=lambda solver: type(solver).__name__)
def test_tableaus_are_consistent(solver: RungeKutta) -> None:
    nodes, rows, weights = solver.tableau
    assert sum(weights) == pytest.approx(1)
    for stage, (node, row) in enumerate(zip(nodes, rows, strict=True)):
        assert len(row) == stage and sum(row) == pytest.approx(node)


def test_dopri5_meets_its_tolerance_and_counts() -> None:
    calls = 0

    def growth(t: Tensor, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return x

    found = Dopri5(1e-9, 1e-9).solve(growth, start(), TimeGrid.uniform(1))
    assert found.evaluations == calls > 6
    torch.testing.assert_close(found.end, start() * math.e, atol=1e-8, rtol=0)
    loose = Dopri5(1e-2, 1e-2).solve(growth, start(), TimeGrid.uniform(1))
    assert loose.evaluations < found.evaluations
    back = Dopri5(1e-9, 1e-9).solve(growth, found.end, TimeGrid.uniform(3), backward=True)
    torch.testing.assert_close(back.end, start(), atol=1e-8, rtol=0)
    states = Dopri5(1e-9, 1e-9).trajectory(growth, start(), GRID)
    expected = torch.exp(torch.tensor(GRID.times, dtype=torch.float64))[:, None, None] * start()
    torch.testing.assert_close(states, expected, atol=1e-7, rtol=0)


def test_grids() -> None:
    assert TimeGrid.uniform(4).times == (0, 0.25, 0.5, 0.75, 1) and TimeGrid.uniform(4).steps == 4
    assert TimeGrid(np.linspace(0, 1, 3)) == TimeGrid((0.0, 0.5, 1.0))  # type: ignore[arg-type]
    fine = np.diff(TimeGrid.power(10, 2.0).times)
    assert (np.diff(fine) < 0).all() and fine.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "times, said",
    [
        ((0.0, 0.5, 0.5, 1.0), "time 1 is 0.5 and time 2 is 0.5"),
        ((0.0, 0.7, 0.2, 1.0), "increasing"),
        ((0.0, math.nan, 1.0), "finite and increasing"),
        ((0.0, math.inf), "finite and increasing"),
        ((0.0,), "1 times"),
    ],
)
def test_grids_that_are_refused(times: tuple[float, ...], said: str) -> None:
    with pytest.raises(CaloforgeError, match=said):
        TimeGrid(times)


@pytest.mark.parametrize("steps, exponent", [(0, 1.0), (4, 0.0), (4, math.inf)])
def test_grids_without_steps_are_refused(steps: int, exponent: float) -> None:
    with pytest.raises(CaloforgeError, match="steps="):
        TimeGrid.power(steps, exponent)


@pytest.mark.parametrize("settings", [{"rtol": 0.0}, {"atol": 0.0}, {"rtol": -1e-3}, {"atol": math.nan}])
def test_tolerances_that_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(CaloforgeError, match=f"{next(iter(settings))}=.*positive tolerance"):
        Dopri5(**settings)


def test_dopri5_says_where_there_is_no_solution() -> None:
    with pytest.raises(CaloforgeError, match="found no step small enough"):
        Dopri5().solve(lambda t, x: x * math.nan, start(), TimeGrid.uniform(1))


def test_dopri5_gives_up_below_the_precision_of_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 rounding alone is more than this tolerance: it would take millions of steps, and their memory."""
    monkeypatch.setattr("caloforge.generative.solver.MOST_STEPS", 100)
    with pytest.raises(CaloforgeError, match=r"max_num_steps.*tolerances are below the precision of torch\.float32"):
        Dopri5(1e-14, 1e-14).solve(lambda t, x: x.cos(), start().float(), TimeGrid.uniform(1))
