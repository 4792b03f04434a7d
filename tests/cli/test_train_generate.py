"""The commands train and generate, from a recipe file to a file of showers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from caloforge.cli.app import app
from caloforge.detectors import CartesianLayer, Detector, to_json
from caloforge.showers import Showers, write_showers

RECIPE = """\
schema: 1
name: tiny
detector: {detector}
model:
  family: caloflow
  energies: {{blocks: 1, hidden: 4, layers: 1, bins: 4}}
  voxels: {{blocks: 1, hidden: 4, bins: 4}}
  beta: 1.01
stages:
  - name: energies
    factor: energies
    training: {{epochs: 1, accelerator: cpu, threads: 1, tensorboard: false}}
  - name: voxels
    factor: voxels
    training: {{epochs: 1, accelerator: cpu, threads: 1, tensorboard: false}}
"""


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _refused(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    edges = (-20.0, 0.0, 20.0)
    detector = Detector(
        "tiny",
        (CartesianLayer("front", edges, edges, 0.0, 10.0), CartesianLayer("back", edges, edges, 10.0, 20.0)),
        threshold_mev=1e-2,
    )
    (folder / "tiny.json").write_text(to_json(detector))
    (folder / "tiny.yaml").write_text(RECIPE.format(detector=folder / "tiny.json"))
    rng = np.random.default_rng(0)
    energy = rng.uniform(1e3, 1e4, 80)
    deposits = 0.9 * energy[:, None] * rng.dirichlet(np.ones(8), 80)
    write_showers(folder / "data.hdf5", Showers(energy.astype(np.float32), deposits.astype(np.float32), detector))
    trained = _run("train", folder / "tiny.yaml", "--data", folder / "data.hdf5", "--out", folder / "run", "--quiet")
    assert trained.exit_code == 0, trained.output
    assert "Checkpoint in" in trained.stdout and "voxels: best loss" in trained.stdout
    return folder


def test_generate_like_a_file(work: Path, tmp_path: Path) -> None:
    done = _run("generate", work / "run", "--like", work / "data.hdf5", "--out", tmp_path / "out.hdf5", "--quiet")
    assert done.exit_code == 0, done.output
    assert "80 showers" in done.stdout and "drawn again" in done.stdout
    with h5py.File(tmp_path / "out.hdf5") as new, h5py.File(work / "data.hdf5") as old:
        np.testing.assert_array_equal(new["incident_energies"][:], old["incident_energies"][:])


def test_generate_at_energies(work: Path, tmp_path: Path) -> None:
    arguments = ["--energies", "2,5GeV", "-n", 3, "--seed", 5, "--threads", 1, "--batch", 2, "--quiet"]
    done = _run("generate", work / "run", "--out", tmp_path / "out.hdf5", *arguments)
    assert done.exit_code == 0, done.output
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert file["incident_energies"][:].ravel().tolist() == [2e3] * 3 + [5e3] * 3


def test_set_changes_the_recipe(work: Path, tmp_path: Path) -> None:
    arguments = ["--data", work / "data.hdf5", "--out", tmp_path / "run", "--quiet", "--init", work / "run"]
    done = _run("train", work / "tiny.yaml", *arguments, "--set", "stages.voxels.training.epochs=2")
    assert done.exit_code == 0, done.output
    assert "epochs: 2" in (tmp_path / "run" / "recipe.yaml").read_text()


def test_mistakes_of_train(work: Path, tmp_path: Path) -> None:
    given = ["--data", work / "data.hdf5", "--out", tmp_path / "run"]
    _refused(_run("train", "caloflow-caloga", *given), "Did you mean 'caloflow-calogan'")
    _refused(_run("train", work / "tiny.yaml", *given, "--set", "nmae=x"), "--set nmae=x", "Did you mean 'name'")
    (tmp_path / "wrong.yaml").write_text((work / "tiny.yaml").read_text().replace("beta:", "betta:"))
    _refused(_run("train", tmp_path / "wrong.yaml", *given), "wrong.yaml line 8", "Did you mean 'beta'")
    _refused(_run("train", work / "tiny.yaml", "--data", tmp_path / "no.hdf5", "--out", tmp_path / "run"), "no.hdf5")
    _refused(_run("train", "caloflow-ds1-photons", *given), "data.hdf5")
    _refused(_run("train", work / "tiny.yaml", *given, "--init", tmp_path), "no checkpoint")
    _refused(_run("train", work / "tiny.yaml", *given, "--only", "voxels"), "--init")
    _refused(
        _run("train", work / "tiny.yaml", "--data", work / "data.hdf5", "--out", work / "run", "--set", "name=b"),
        "other settings",
    )
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_mistakes_of_generate(work: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "out.hdf5"]
    _refused(_run("generate", work / "run", *out), "--like", "--energies")
    _refused(_run("generate", work / "run", *out, "--energies", "log:1:2"), "--energies log:1:2")
    _refused(_run("generate", work / "run", *out, "--energies", "log:1:2GeV"), "-n")
    _refused(_run("generate", work / "run", *out, "--energies", "90GeV", "-n", 2), "--extrapolate")
    _refused(_run("generate", tmp_path, *out, "--energies", "2GeV"), "no checkpoint")
    _refused(_run("generate", work / "run", *out, "--like", tmp_path / "no.hdf5"), "no.hdf5")
    _refused(
        _run("generate", work / "run", *out, "--energies", "2GeV", "--engine", "quick"), "'quick'; give fast or torch"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "engine"), [((), "fast"), (("--engine", "torch"), "torch")])
def test_engine(work: Path, tmp_path: Path, arguments: tuple[str, ...], engine: str) -> None:
    out = tmp_path / "out.hdf5"
    done = _run("generate", work / "run", "--out", out, "--energies", "2,5GeV", "--threads", 1, "--quiet", *arguments)
    assert done.exit_code == 0, done.output
    with h5py.File(out) as file:
        assert file.attrs["engine"] == engine


def test_training_leaves_a_preview_that_changes_nothing(work: Path, tmp_path: Path) -> None:
    for out, option in (("with", "--preview"), ("without", "--no-preview")):
        done = _run(
            "train", work / "tiny.yaml", "--data", work / "data.hdf5", "--out", tmp_path / out, "--quiet", option
        )
        assert done.exit_code == 0, done.output
    for stage in ("energies", "voxels"):
        assert (tmp_path / "with" / stage / "preview.png").read_bytes().startswith(b"\x89PNG")
    weights = [(tmp_path / out / "weights.safetensors").read_bytes() for out in ("with", "without")]
    assert weights[0] == weights[1]
    assert not list((tmp_path / "without").rglob("preview.png"))
