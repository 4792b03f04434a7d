"""Batches prepared ahead: the same bytes whatever the workers, several batches at once, errors in their place."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace

import pytest
import torch
from regression import ROWS, SETTINGS, Regression, SignalAt
from torch import nn

from caloforge.errors import CaloforgeError
from caloforge.generative import ExactOT
from caloforge.generative.contracts import Objective
from caloforge.training import TensorBatches, load_weights, train
from caloforge.training.ahead import ahead
from caloforge.training.preparation import pools, prepared


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_results_come_in_order_and_jobs_are_taken_one_at_a_time(workers):
    last = threading.Event()

    def work(job):
        if workers > 1 and job == 0:  # the first ends after the second
            assert last.wait(10)
        if job == 1:
            last.set()
        return job * job

    assert list(ahead(iter(range(20)), work, workers)) == [n * n for n in range(20)]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_error_is_raised_and_what_came_before_is_not_lost(workers):
    def work(job):
        if job == 7:
            raise CaloforgeError("seven")
        return job

    seen = []
    with pytest.raises(CaloforgeError, match="seven"):
        seen.extend(ahead(iter(range(20)), work, workers))
    before = threading.active_count()
    got = ahead(iter(range(20)), work, workers)
    assert next(got) == 0
    got.close()
    assert threading.active_count() == before


class Paired(Objective):
    """Learns the noise that exact transport pairs with the data."""

    def __init__(self, pool: int = 1) -> None:
        super().__init__()
        self.pool, self.sizes = pool, []
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))

    def prepare(self, batch, rng):
        self.sizes.append(len(batch["x"]))
        noise = torch.from_numpy(rng.normal(size=batch["x"].shape)).float()
        return {"x": batch["x"], "noise": noise[ExactOT().order(noise, batch["x"], {}, rng)]}

    def forward(self, batch, turn, generator):
        return {"loss": (self.model(batch["x"]) - batch["noise"]).square().mean()}


def go(out, workers, pool=1, callbacks=()):
    validation = TensorBatches({"x": ROWS[80:]}, 8, shuffle=False)
    settings = replace(SETTINGS, workers=workers)
    objective = Paired(pool)
    train(objective, TensorBatches({"x": ROWS[:80]}, 8, seed=3), settings, out,
          validation=validation, callbacks=callbacks, show=False)  # fmt: skip
    return {name: value.numpy().tobytes() for name, value in load_weights(out).items()}, objective


@pytest.mark.parametrize("pool", [1, 4])
def test_workers_change_no_bit_and_neither_does_an_interruption(tmp_path, pool):
    expected, _ = go(tmp_path / "0", 0, pool)
    for workers in (1, 3):
        assert go(tmp_path / str(workers), workers, pool)[0] == expected
    go(tmp_path / "cut", 2, pool, (SignalAt(16, signal.SIGTERM),))  # in the middle of a pool, in the second epoch
    assert go(tmp_path / "cut", 1, pool)[0] == expected


def test_a_pool_is_prepared_at_once_and_split_into_its_batches(tmp_path):
    _, objective = go(tmp_path, 1, 4)
    assert set(objective.sizes) == {32, 16, 20}  # 10 batches of 8 in an epoch: 4, 4 and 2; validation: 8, 8 and 4
    batches = list(TensorBatches({"x": ROWS}, 16, shuffle=False).epoch(0))
    done = list(prepared(Objective(), pools(batches, 3, 3), 0, "test", 0, 1))
    assert [number for number, _ in done] == list(range(3, 10))
    assert all(torch.equal(a["x"], b["x"]) for a, (_, b) in zip(batches, done, strict=True))


def test_reading_ahead_ends_with_the_last_epoch(tmp_path):
    class Counted(TensorBatches):
        read = 0

        def epoch(self, epoch, start=0):
            for batch in super().epoch(epoch, start):
                self.read += 1
                yield batch

    batches = Counted({"x": ROWS}, 10)
    train(Regression(), batches, replace(SETTINGS, epochs=2, workers=3), tmp_path, show=False)
    assert batches.read == 20
