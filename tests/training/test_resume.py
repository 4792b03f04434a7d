"""A run that was cut off goes on to the bit, and only as the run it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import regression
import torch
from regression import ROWS, SETTINGS, Regression, SignalAt, run
from torch import nn

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Objective
from caloforge.training import Callback, TensorBatches, load_weights, train


def _bytes(out: Path, steps: set[int] | None = None) -> dict[str, bytes]:
    """Content of all files of a run, or of the checkpoints of some steps and of what resuming needs."""
    files = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    if steps is None:
        return files
    kept = tuple(f"step-{step}{os.sep}" for step in steps)
    return {name: content for name, content in files.items() if name.startswith(kept) or not name.startswith("step-")}


class _Crash(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, moment) -> None:
        if moment.step == self.step:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run without interruption."""
    out = tmp_path_factory.mktemp("whole")
    assert not run(out).interrupted
    return out


@pytest.mark.parametrize("step", [1, 5, 10, 23, 39])
def test_sigterm_saves_stops_and_resumes_to_the_bit(tmp_path, whole, step):
    first = run(tmp_path, callbacks=(SignalAt(step, signal.SIGTERM),))
    assert first.interrupted and first.last_step == step
    assert (tmp_path / "last").read_text() == f"step-{step}\n"
    assert (tmp_path / f"step-{step}" / "weights.safetensors").is_file()
    second = run(tmp_path)
    assert not second.interrupted and second.last_step == 40
    planned = {int(path.name[5:]) for path in whole.glob("step-*")}
    assert _bytes(tmp_path, planned) == _bytes(whole)


def test_a_run_killed_between_checkpoints_resumes_to_the_bit(tmp_path, whole):
    for step in (3, 12, 26):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, callbacks=(_Crash(step),))
    run(tmp_path)
    assert _bytes(tmp_path) == _bytes(whole)


def test_sigusr1_saves_and_goes_on(tmp_path, whole):
    result = run(tmp_path, callbacks=(SignalAt(13, signal.SIGUSR1),))
    assert not result.interrupted and (tmp_path / "step-13").is_dir()
    planned = {int(path.name[5:]) for path in whole.glob("step-*")}
    assert _bytes(tmp_path, planned) == _bytes(whole)


def test_another_process_takes_it_up(tmp_path, whole):
    command = [sys.executable, regression.__file__, str(tmp_path), "17"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split()[-1] == "True" and (tmp_path / "last").read_text() == "step-17\n"
    assert not run(tmp_path).interrupted
    assert load_weights(tmp_path / "last").keys() == load_weights(whole / "last").keys()
    for name, value in load_weights(whole / "last").items():
        assert torch.equal(value, load_weights(tmp_path / "last")[name]), name


def test_signal_handlers_are_given_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    run(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = run(tmp_path)
    before = _bytes(tmp_path)
    assert run(tmp_path) == first
    assert _bytes(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "value"), [("learning_rate", 2e-2), ("seed", 4), ("epochs", 5), ("ema_decay", None), ("threads", 2)]
)
def test_other_settings_are_refused_by_name(tmp_path, name, value):
    run(tmp_path, callbacks=(SignalAt(2, signal.SIGTERM),))
    with pytest.raises(CaloforgeError, match=f"{name} = .*; resume with the old value or choose another folder"):
        run(tmp_path, replace(SETTINGS, **{name: value}))


def test_settings_that_leave_the_outcome_alone_may_differ(tmp_path, whole):
    run(tmp_path, callbacks=(SignalAt(12, signal.SIGTERM),))
    run(tmp_path, replace(SETTINGS, checkpoint_every=3, keep=1))
    assert load_weights(tmp_path / "last")["0.weight"].equal(load_weights(whole / "last")["0.weight"])


def test_other_documents_data_or_model_are_refused(tmp_path):
    batches, settings = TensorBatches({"x": ROWS}, 10), replace(SETTINGS, epochs=1)
    documents = {"recipe.yaml": "name: a\nlayers: 2\n", "provenance.json": "{}"}
    train(Regression(), batches, settings, tmp_path, documents=documents, show=False)
    assert (tmp_path / "step-10" / "recipe.yaml").read_text() == documents["recipe.yaml"]
    with pytest.raises(CaloforgeError, match=r"recipe\.yaml differs in line 2 \('layers: 2', now 'layers: 3'\)"):
        train(Regression(), batches, settings, tmp_path, documents={"recipe.yaml": "name: a\nlayers: 3\n"}, show=False)
    train(Regression(), batches, settings, tmp_path, documents=documents | {"provenance.json": "{1}"}, show=False)
    told = {name: text + "  workers: {}\n" for name, text in documents.items() if name == "recipe.yaml"}
    for workers in (1, 3):
        again = {name: text.format(workers) for name, text in told.items()}
        train(Regression(), batches, settings, tmp_path / "told", documents=again, show=False)
    with pytest.raises(CaloforgeError, match="batches per epoch = 10, but now batches per epoch = 5"):
        train(Regression(), TensorBatches({"x": ROWS}, 20), settings, tmp_path, documents=documents, show=False)
    wider = Regression()
    wider.model[0], wider.model[1], wider.model[4] = nn.Linear(2, 9), nn.BatchNorm1d(9), nn.Linear(9, 1)
    with pytest.raises(CaloforgeError, match=r"another model \('model\.0\.bias' has the shape \(8,\), now \(9,\)\)"):
        train(wider, batches, settings, tmp_path, documents=documents, show=False)


def test_a_folder_of_checkpoints_without_its_run_is_left_alone(tmp_path):
    (tmp_path / "step-5").mkdir()
    with pytest.raises(CaloforgeError, match="choose another folder"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-5"]


def test_damaged_state_is_one_sentence(tmp_path):
    run(tmp_path, callbacks=(SignalAt(12, signal.SIGTERM),))
    state = tmp_path / "resume" / "step-12" / "objective.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(CaloforgeError, match="is damaged"):
        run(tmp_path)


class _Follower(Objective):
    """Beside the model: a target that follows it, frozen but not constant, and a constant scale."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(2, 1)
        self.target = nn.Linear(2, 1).requires_grad_(False)
        self.register_buffer("scale", torch.tensor(2.0))
        for layer in (self.model, self.target):
            nn.init.constant_(layer.weight, 0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, batch, turn, generator):
        with torch.no_grad():
            if self.training:
                self.target.weight.lerp_(self.model.weight, 0.1)
        loss = self.model(batch["x"]) - self.target(batch["x"]) * 0.9 - self.scale * batch["x"][:, :1]
        return {"loss": loss.square().mean()}


def test_what_changes_beside_the_model_is_resumed_and_what_does_not_must_be_equal(tmp_path):
    def go(out, callbacks=(), scale=2.0):
        objective = _Follower()
        objective.scale.fill_(scale)
        batches = TensorBatches({"x": ROWS}, 10)
        train(objective, batches, replace(SETTINGS, epochs=2), out, callbacks=callbacks, show=False)
        return objective

    expected = go(tmp_path / "whole")
    go(tmp_path / "cut", (SignalAt(8, signal.SIGTERM),))
    assert set(load_weights(tmp_path / "cut")) == {"weight", "bias"}
    with pytest.raises(CaloforgeError, match="other frozen values in 'scale'"):
        go(tmp_path / "cut", scale=3.0)
    assert torch.equal(go(tmp_path / "cut").target.weight, expected.target.weight)
