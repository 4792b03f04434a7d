"""The schedules, which keep no state, against torch's own schedulers."""

from __future__ import annotations

import warnings

import pytest
import torch

from caloforge.training import TrainingSettings, learning_rate


def _torch_rates(make, updates: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        rates = []
        for _ in range(updates):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


@pytest.mark.parametrize("total", [7, 100, 1000])
@pytest.mark.parametrize("warm_up", [0.2, 0.3])
def test_one_cycle_is_torchs(total, warm_up):
    settings = TrainingSettings(learning_rate=2e-3, schedule="one-cycle", warm_up=warm_up)
    expected = _torch_rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, 2e-3, total_steps=total, pct_start=warm_up, cycle_momentum=False
        ),
        total,
    )
    assert [learning_rate(settings, update, total) for update in range(total)] == pytest.approx(expected, rel=1e-9)


def test_one_cycle_from_a_chosen_base():
    settings = TrainingSettings(learning_rate=1e-4, schedule="one-cycle", base_learning_rate=1e-5)
    expected = _torch_rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 1e-4, total_steps=50, div_factor=10, cycle_momentum=False), 50
    )
    assert [learning_rate(settings, update, 50) for update in range(50)] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rise", [1, 17, 850])
def test_cyclic_is_torchs_triangular2(rise):
    settings = TrainingSettings(learning_rate=2e-3, schedule="cyclic", base_learning_rate=5e-5, cycle_steps=rise)
    updates = min(3000, 200 * rise)
    expected = _torch_rates(
        lambda o: torch.optim.lr_scheduler.CyclicLR(
            o, 5e-5, 2e-3, step_size_up=rise, mode="triangular2", cycle_momentum=False
        ),
        updates,
    )
    assert [learning_rate(settings, update, updates) for update in range(updates)] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "one-cycle", "cyclic"])
@pytest.mark.parametrize("total", [1, 2, 3])
def test_shortest_runs_have_a_rate(schedule, total):
    settings = TrainingSettings(schedule=schedule)
    assert all(0 < learning_rate(settings, update, total) <= 1e-3 for update in range(total))
