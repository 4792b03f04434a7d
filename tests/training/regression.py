"""A small regression with dropout and noise, run as a module by the tests of interruption too."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

from caloforge.generative.contracts import Objective
from caloforge.training import Callback, TensorBatches, TrainingResult, TrainingSettings, train


class Regression(Objective):
    """Learns the sum of two numbers from noisy ones."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1))

    def prepare(self, batch, rng):
        """Noise from the workers' stream."""
        return {"x": batch["x"] + 0.01 * torch.from_numpy(rng.normal(size=batch["x"].shape)).float()}

    def forward(self, batch, turn, generator):
        x = batch["x"] + 0.1 * torch.randn(batch["x"].shape, generator=generator)
        return {"loss": (self.model(x) - batch["x"].sum(-1, keepdim=True)).square().mean()}


ROWS = torch.randn(100, 2, generator=torch.Generator().manual_seed(5))
SETTINGS = TrainingSettings(
    epochs=4, learning_rate=1e-2, schedule="one-cycle", ema_decay=0.9, clip_norm=1.0, weight_decay=0.01, keep=None,
    tensorboard=False, seed=3, checkpoint_every=7, threads=1,
)  # fmt: skip


def run(out: Path, settings: TrainingSettings = SETTINGS, callbacks: tuple[Callback, ...] = ()) -> TrainingResult:
    """Train the regression in `out`."""
    validation = TensorBatches({"x": ROWS[80:]}, 8, shuffle=False)
    batches = TensorBatches({"x": ROWS[:80]}, 8, seed=settings.seed)
    return train(Regression(), batches, settings, out, validation=validation, callbacks=callbacks, show=False)


class SignalAt(Callback):
    """Sends this very process a signal after one step, then waits for it."""

    def __init__(self, step: int, number: int) -> None:
        self.step, self.number = step, number

    def on_step(self, moment) -> None:
        """The signal."""
        import os

        if moment.step == self.step:
            os.kill(os.getpid(), self.number)


if __name__ == "__main__":
    import signal

    print(run(Path(sys.argv[1]), callbacks=(SignalAt(int(sys.argv[2]), signal.SIGTERM),)).interrupted)
