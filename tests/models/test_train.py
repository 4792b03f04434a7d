"""Training of a recipe: checkpoint, student, continuation to the bit, start from another checkpoint."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from caloforge.detectors import to_json
from caloforge.errors import CaloforgeError
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.train import train_recipe
from caloforge.showers import Showers, write_showers
from caloforge.training import Callback, Moment


def _weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def test_checkpoint_holds_student_and_teacher(trained: Path, tiny: Any) -> None:
    student, recipe, provenance = load_checkpoint(trained)
    teacher, _, of_teacher = load_checkpoint(trained / "teacher")
    assert provenance["stage"] == "student" and of_teacher["stage"] == "voxels"
    assert student.factors["voxels"].model.direction == "inverse"
    assert teacher.factors["voxels"].model.direction == "masked"
    for name, value in teacher.factors["energies"].state_dict().items():
        assert torch.equal(value, student.factors["energies"].state_dict()[name])
    assert recipe == tiny.recipe()
    assert list(provenance["stages"]) == ["energies", "voxels", "student"]
    ranges = provenance["data"]["training_rows"] + provenance["data"]["validation_rows"]
    assert sorted(row for first, stop in ranges for row in range(first, stop)) == list(range(200))
    assert not any(path.suffix in (".pt", ".pkl", ".ckpt") for path in trained.rglob("*"))


class _Stop(Callback):
    def on_step(self, moment: Moment) -> None:
        if moment.step == 7:
            os.kill(os.getpid(), signal.SIGTERM)


def test_interrupted_run_goes_on_to_the_same_bytes(trained: Path, tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stops = {"voxels": [_Stop()]}
    cut = train_recipe(
        tiny.recipe(), tiny.data, out, callbacks=lambda model, stage: stops.get(stage.name, []), show=False
    )
    assert cut.checkpoint is None and not (out / "weights.safetensors").exists()
    with pytest.raises(CaloforgeError, match="holds a run with other settings"):
        train_recipe(tiny.recipe("stages.voxels.training.epochs=3"), tiny.data, out, show=False)
    more = tiny.recipe("stages.*.training.workers=3", "stages.*.training.log_every=3", "stages.*.training.keep=2")
    assert train_recipe(more, tiny.data, out, show=False).checkpoint == out
    assert _weights(out) == _weights(trained)
    assert _weights(out / "teacher") == _weights(trained / "teacher")


def test_other_settings_are_refused(trained: Path, tiny: Any) -> None:
    with pytest.raises(CaloforgeError, match=r"stages\.1\.training\.epochs was 2 and is 3"):
        train_recipe(tiny.recipe("stages.voxels.training.epochs=3"), tiny.data, trained, show=False)


def test_a_run_goes_on_with_other_settings_that_leave_its_outcome_alone(trained: Path, tiny: Any) -> None:
    before = _weights(trained / "teacher")
    train_recipe(tiny.recipe("stages.*.training.workers=0"), tiny.data, trained, show=False)
    assert _weights(trained / "teacher") == before


def test_only_the_student_again_from_its_teacher(trained: Path, tiny: Any, tmp_path: Path) -> None:
    result = train_recipe(
        tiny.recipe("stages.student.training.epochs=2"),
        tiny.data,
        tmp_path / "again",
        trained / "teacher",
        only=["student"],
        show=False,
    )
    assert result.checkpoint is not None and list(result.stages) == ["student"]
    assert _weights(tmp_path / "again" / "teacher") == _weights(trained / "teacher")
    with pytest.raises(CaloforgeError, match="--init"):
        train_recipe(tiny.recipe(), tiny.data, tmp_path / "none", only=["student"], show=False)


def test_start_from_a_checkpoint_of_another_detector(trained: Path, tiny: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    text = json.loads(to_json(tiny.detector))
    other.write_text(json.dumps(text).replace("30.0", "31.0"))
    result = train_recipe(
        tiny.recipe(f"detector={other}", "stages.*.training.epochs=1"),
        tiny.data,
        tmp_path / "run",
        trained / "teacher",
        show=False,
    )
    provenance = load_checkpoint(tmp_path / "run")[2]
    assert result.checkpoint is not None
    assert provenance["init"]["parameters_taken_over"] == provenance["init"]["of"]


def test_beta_below_the_data_is_said(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match=r"set model\.beta"):
        train_recipe(tiny.recipe("model.beta=0.9"), tiny.data, tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists(), "the folder is free for the recipe put right"


def test_showers_of_another_detector_are_refused(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError):
        train_recipe(tiny.recipe("detector=calogan"), tiny.data, tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists()


def test_a_large_file_is_read_in_chunks(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caloforge.models.train.FIT_BYTES", 50 * 4 * tiny.detector.n_voxels)
    result = train_recipe(tiny.recipe("stages.*.training.epochs=1"), tiny.data, tmp_path / "run", show=False)
    assert result.checkpoint is not None


def test_rows_of_a_cut_file_follow_its_source(tiny: Any, tmp_path: Path) -> None:
    showers: Showers = tiny.showers
    write_showers(tmp_path / "cut.hdf5", showers[100:], attributes={"source_first_row": "100"})
    with pytest.raises(CaloforgeError, match=r"data\.rows"):
        train_recipe(tiny.recipe("data.rows=[0, 100]"), tmp_path / "cut.hdf5", tmp_path / "run", show=False)


def test_conditions_that_no_model_is_told_are_said(tiny: Any, tmp_path: Path) -> None:
    showers: Showers = tiny.showers
    inclined = replace(showers, conditions={"incident_theta": np.zeros(len(showers), dtype=np.float32)})
    write_showers(tmp_path / "inclined.hdf5", inclined)
    with pytest.warns(UserWarning, match=r"depend on incident_theta .*the mixture of them .*mirror images"):
        train_recipe(
            tiny.recipe("stages.*.training.epochs=1"), tmp_path / "inclined.hdf5", tmp_path / "run", show=False
        )
