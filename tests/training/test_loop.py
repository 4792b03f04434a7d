"""What the loop does besides resuming: averages, stops early, takes turns, logs, keeps what was asked for."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import pytest
import torch
from regression import ROWS, SETTINGS, Regression, run
from safetensors.torch import load_file
from torch import nn

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Objective, Turn
from caloforge.training import Callback, MovingAverage, NoData, TensorBatches, TrainingSettings, resolve, train


def test_moving_average_follows_its_formula():
    model = nn.Linear(1, 1, bias=False)
    average, expected = MovingAverage(model, 0.9), model.weight.item()
    for n in range(200):
        with torch.no_grad():
            model.weight.fill_(math.sin(n))
        average.update()
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * math.sin(n)
    assert float(average.average["weight"]) == pytest.approx(expected, abs=1e-6)
    own = model.weight.detach().clone()
    with average.in_place():
        assert model.weight.item() == float(average.average["weight"])
    assert torch.equal(model.weight, own)


def test_the_checkpoint_holds_the_average_and_resuming_the_weights(tmp_path):
    run(tmp_path)
    kept = load_file(tmp_path / "step-40" / "weights.safetensors")
    average = load_file(tmp_path / "resume" / "step-40" / "ema.safetensors")
    own = load_file(tmp_path / "resume" / "step-40" / "objective.safetensors")
    assert torch.equal(kept["0.weight"], average["0.weight"])
    assert not torch.equal(kept["0.weight"], own["model.0.weight"])


class _Parabola(Objective):
    """One number that training moves away from the optimum of the validation."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.model.weight, -1.0)

    def forward(self, batch, turn, generator):
        goal = 1.0 if self.training else 0.0
        return {"loss": (self.model.weight - goal).square().sum(), "weight": self.model.weight.sum()}


def test_early_stop_keeps_the_best_and_leaves_it_in_the_model(tmp_path):
    objective = _Parabola()
    settings = TrainingSettings(epochs=100, learning_rate=0.1, patience=3, tensorboard=False, keep=1)
    result = train(objective, NoData(2), settings, tmp_path, validation=NoData(1), show=False)
    assert result.best_step == 10 and result.last_step == 16 and not result.interrupted
    assert abs(objective.model.weight.item()) < 0.1 and result.best_loss < 0.01
    assert {path.name for path in tmp_path.glob("step-*")} == {"step-10", "step-16"}
    assert resolve(tmp_path).name == "step-10" and resolve(tmp_path / "last").name == "step-16"
    again = train(_Parabola(), NoData(2), settings, tmp_path, validation=NoData(1), show=False)
    assert again == result


class _Duel(Objective):
    """Two players that write down who moved."""

    turns = (Turn("critic", "critic", 3), Turn("generator", "model", 1))

    def __init__(self) -> None:
        super().__init__()
        self.model, self.critic = nn.Linear(1, 1), nn.Linear(1, 1)
        self.moved: list[tuple[str, bool, bool]] = []

    def forward(self, batch, turn, generator):
        self.moved.append((turn, self.model.weight.requires_grad, self.critic.weight.requires_grad))
        sign = 1.0 if turn == "critic" else -1.0
        return {"loss": sign * self.critic(self.model(batch["x"])).mean()}


def test_two_players_take_turns_and_move_only_their_own(tmp_path):
    objective = _Duel()
    before = {name: value.detach().clone() for name, value in objective.named_parameters()}
    seen: list[bool] = []

    class _Watch(Callback):
        def on_step(self, moment):
            seen.append(torch.equal(objective.model.weight, before["model.weight"]))

    settings = TrainingSettings(epochs=2, tensorboard=False)
    result = train(
        objective, TensorBatches({"x": ROWS[:, :1]}, 20), settings, tmp_path, callbacks=[_Watch()], show=False
    )
    critic, generator = ("critic", False, True), ("generator", True, False)
    assert objective.moved == [critic, critic, critic, generator] * 2 + [critic, critic]
    assert seen == [True] * 3 + [False] * 7
    assert all(value.requires_grad for value in objective.parameters())
    assert set(load_file(resolve(tmp_path) / "weights.safetensors")) == {"weight", "bias"}
    assert result.best_step == 10
    assert {"train/critic/loss", "train/generator/loss"} <= set(result.history[0])


def test_a_turn_without_parameters_is_an_error():
    objective = _Duel()
    objective.turns = (Turn("critic", "critics"), Turn("generator", "model"))
    with pytest.raises(ValueError, match="'critics'"):
        train(objective, NoData(1), TrainingSettings(), "unused", show=False)


def test_logs_documents_and_nothing_pickled(tmp_path):
    run(tmp_path, replace(SETTINGS, tensorboard=True))
    with (tmp_path / "logs" / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows if row["train/loss"]] == ["10", "20", "30", "40"]
    assert [row["step"] for row in rows if row["validation/loss"]] == ["10", "20", "30", "40"]
    log = json.loads((tmp_path / "last").parent.joinpath("step-40", "training.json").read_text())
    assert [row["step"] for row in log["history"]] == [10, 20, 30, 40] and log["settings"]["seed"] == 3
    events = list((tmp_path / "logs" / "tensorboard").iterdir())
    assert len(events) == 1 and events[0].stat().st_size > 500
    for path in tmp_path.rglob("*"):
        if path.is_file() and path not in events:
            if path.suffix == ".safetensors":
                assert load_file(path)
            elif path.suffix == ".json":
                json.loads(path.read_text())
            else:
                assert path.name in ("last", "best", "metrics.csv") and path.read_text().isascii()


def test_global_randomness_outside_is_untouched(tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    run(tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_callbacks_draw_nothing_from_the_training(tmp_path):
    class _Draw(Callback):
        def on_step(self, moment):
            torch.rand(7)

        def on_validation(self, moment):
            assert not moment.objective.model.training
            torch.rand(7)

    run(tmp_path / "a", callbacks=(_Draw(),))
    run(tmp_path / "b")
    name = "step-40/weights.safetensors"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


class _Poisoned(Objective):
    """Infinite in some batches."""

    def __init__(self, bad: int) -> None:
        super().__init__()
        self.model, self.bad, self.calls = nn.Linear(1, 1), bad, 0

    def forward(self, batch, turn, generator):
        self.calls += 1
        return {"loss": self.model.weight.square().sum() * (math.inf if self.calls <= self.bad else 1.0)}


def test_single_infinite_losses_are_skipped_and_counted(tmp_path):
    objective = _Poisoned(5)
    result = train(objective, NoData(20), TrainingSettings(tensorboard=False), tmp_path, show=False)
    assert json.loads((resolve(tmp_path) / "training.json").read_text())["skipped"] == 5
    assert math.isfinite(result.best_loss) and bool(objective.model.weight.isfinite().all())


def test_a_loss_that_stays_infinite_ends_the_run(tmp_path):
    with pytest.raises(CaloforgeError, match=r"not been finite in 50 updates in a row up to step 50"):
        train(_Poisoned(100), NoData(100), TrainingSettings(tensorboard=False), tmp_path, show=False)


def test_gradients_are_clipped(tmp_path):
    class _Steep(_Poisoned):
        def forward(self, batch, turn, generator):
            return {"loss": 1e3 * self.model.weight.sum()}

    class _Norm(Callback):
        def on_checkpoint(self, moment, folder):
            assert moment.numbers["train/gradient norm"] == pytest.approx(1e3)

    state = {}
    for clip in (None, 1.0):
        out = tmp_path / str(clip)
        settings = TrainingSettings(clip_norm=clip, tensorboard=False)
        train(_Steep(0), NoData(1), settings, out, callbacks=[_Norm()], show=False)
        state[clip] = load_file(out / "resume" / "step-1" / "optimizer.safetensors")["model|model.weight|exp_avg"]
    assert float(state[None]) == pytest.approx(100.0) and float(state[1.0]) == pytest.approx(0.1, rel=1e-4)


def test_mixed_precision_keeps_float32_weights(tmp_path):
    seen = []

    class _Look(Regression):
        def forward(self, batch, turn, generator):
            seen.append(self.model[0](batch["x"]).dtype)
            return super().forward(batch, turn, generator)

    settings = replace(SETTINGS, precision="bf16-mixed", epochs=1)
    train(_Look(), TensorBatches({"x": ROWS}, 10), settings, tmp_path, show=False)
    assert set(seen) == {torch.bfloat16}
    assert load_file(resolve(tmp_path) / "weights.safetensors")["0.weight"].dtype == torch.float32


def test_the_bar_tells_rate_and_losses(tmp_path, capsys):
    train(Regression(), TensorBatches({"x": ROWS}, 10), replace(SETTINGS, epochs=1), tmp_path, show=True)
    shown = capsys.readouterr().err
    assert "step 10, epoch 1: train/loss" in shown and "steps/s" in shown and "(best)" in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("learning_rate", -1.0), ("schedule", "linear"), ("ema_decay", 1.0), ("clip_norm", 0.0),
     ("precision", "16"), ("patience", 0), ("workers", -1), ("betas", (0.9, 1.0)), ("base_learning_rate", 1.0)],
)  # fmt: skip
def test_settings_out_of_range_are_one_sentence(name, value):
    with pytest.raises(CaloforgeError, match=f"training setting '{name}' is"):
        TrainingSettings(**{name: value})


@pytest.mark.parametrize("what", ["nothing", "dangling"])
def test_no_checkpoint_is_one_sentence(tmp_path, what):
    if what == "dangling":
        (tmp_path / "best").write_text("step-3\n")
    with pytest.raises(CaloforgeError, match=r"weights\.safetensors"):
        resolve(tmp_path)


def test_in_memory_batches_reach_any_batch_again():
    batches = TensorBatches({"x": ROWS}, 16, seed=2)
    assert len(batches) == 7
    whole = list(batches.epoch(3))
    rest = list(batches.epoch(3, 5))
    assert [len(batch["x"]) for batch in whole] == [16] * 6 + [4]
    assert all(torch.equal(a["x"], b["x"]) for a, b in zip(whole[5:], rest, strict=True))
    assert torch.equal(torch.cat([batch["x"] for batch in whole]).sort(0).values, ROWS.sort(0).values)
    assert not torch.equal(whole[0]["x"], next(batches.epoch(4))["x"])
