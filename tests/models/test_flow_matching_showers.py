"""Flow matching of showers: from the embedded sample to a file, resumed to the byte, sampled in several ways."""

from __future__ import annotations

import os
import signal
from importlib.resources import files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.generative.flow_matching import OdeSettings
from caloforge.generative.solver import RK4, Euler
from caloforge.models.build import build
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.generate import generate
from caloforge.models.pretrained import checkpoint_folder
from caloforge.models.recipe import Recipe, load_recipe, parse_recipe, recipe_names
from caloforge.models.train import train_recipe
from caloforge.showers import open_showers
from caloforge.training import Callback, Moment

TINY = """\
schema: 1
name: tiny-flow-matching
detector: calogan
data: {validation_fraction: 0.2, mirrors: true}
model:
  family: flow-matching
  energies: {blocks: 2, hidden: 8, bins: 4, tail_bound: 8.0}
  voxels: {patches: [[1, 3, 16], [1, 4, 6], [1, 4, 3]], width: 16, depth: 1, heads: 2}
  voxel_space: energies
  field: {solver: heun, steps: 2}
  beta: 1.01
stages:
  - name: energies
    factor: energies
    batch_size: 200
    training: &training
      {epochs: 2, learning_rate: 2.0e-3, threads: 1, accelerator: cpu, tensorboard: false, ema_decay: 0.9}
  - name: voxels
    factor: voxels
    objective: flow-matching
    matching: {coupling: exact-ot}
    batch_size: 200
    training: *training
"""
ONE_STEP = (
    TINY.replace("family: flow-matching", "family: flow-matching-one-step")
    .replace("  energies: {blocks: 2, hidden: 8, bins: 4, tail_bound: 8.0}\n", "")
    .replace("  voxels: {patches", "  shower: {patches")
    .replace(TINY[TINY.index("  - name: energies") : TINY.index("  - name: voxels")], "")
    .replace("name: voxels\n    factor: voxels", "name: shower\n    factor: shower")
    .replace(
        "*training",
        "{epochs: 2, learning_rate: 2.0e-3, threads: 1, accelerator: cpu, tensorboard: false, ema_decay: 0.9}",
    )
)
DATA = Path(str(files("caloforge.data").joinpath("calogan_positrons_heldout.hdf5")))


def recipe(text: str = TINY, *changes: str) -> Recipe:
    """A recipe that trains in seconds."""
    return parse_recipe(text, "tiny.yaml", changes)


@pytest.fixture(scope="module", params=["two steps", "one step"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A recipe and the checkpoint of its short training on the embedded sample."""
    chosen = recipe({"two steps": TINY, "one step": ONE_STEP}[request.param])
    result = train_recipe(chosen, DATA, tmp_path_factory.mktemp("fm") / "run", show=False)
    assert result.checkpoint is not None
    return chosen, result.checkpoint


class _Stop(Callback):
    def on_step(self, moment: Moment) -> None:
        if moment.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)


def test_interrupted_run_goes_on_to_the_same_bytes(trained: tuple[Recipe, Path], tmp_path: Path) -> None:
    chosen, whole = trained
    last = chosen.stages[-1].name
    stops = lambda model, stage: [_Stop()] if stage.name == last else []  # noqa: E731
    assert train_recipe(chosen, DATA, tmp_path / "run", callbacks=stops, show=False).checkpoint is None
    assert train_recipe(chosen, DATA, tmp_path / "run", show=False).checkpoint is not None
    for name in ("weights.safetensors", "recipe.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_generated_showers_are_physical_and_the_seed_decides(trained: tuple[Recipe, Path], tmp_path: Path) -> None:
    _, checkpoint = trained
    energies = np.linspace(2e3, 9e4, 60, dtype=np.float32)
    for name in ("a", "b"):
        generate(checkpoint, energies, tmp_path / name, seed=3, batch=30, threads=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    showers = open_showers(tmp_path / "a", "calogan").read(0, 60)
    deposits = np.asarray(showers.deposits_mev)
    assert np.isfinite(deposits).all() and (deposits >= 0).all()
    geant4 = np.asarray(open_showers(DATA, "calogan").read(0, 500).deposits_mev)
    assert 0.5 < (deposits > 0).mean() / (geant4 > 0).mean() < 2
    total = deposits.sum(1) / energies
    assert (total <= 1.0101).all() and np.median(total) > 0.9
    layers = np.stack([deposits[:, part].sum(1) for part in preset("calogan").slices], 1)
    assert (layers[:, 1] > layers[:, 2]).mean() > 0.9


def test_a_new_model_gives_showers_from_noise_and_holds_each_parameter_once() -> None:
    """Untrained, the velocity is zero: what comes out is the fitted standardisation of noise."""
    for text in (TINY, ONE_STEP):
        model = build(recipe(text).model, preset("calogan"))
        showers = open_showers(DATA, "calogan").read(0, 400)
        energy, deposits = (
            torch.from_numpy(np.array(part)) for part in (showers.incident_energy_mev, showers.deposits_mev)
        )
        model.fit(energy, deposits)
        assert len(list(model.parameters())) == len({id(p) for p in model.parameters()})
        drawn = model.sample(energy[:50], torch.Generator().manual_seed(1), OdeSettings(Euler(), 1))
        assert drawn.shape == (50, 504) and drawn.isfinite().all() and (drawn >= 0).all()


def test_solver_and_steps_are_exchanged_at_generation(trained: tuple[Recipe, Path], tmp_path: Path) -> None:
    _, checkpoint = trained
    energies = np.full(20, 5e4, np.float32)
    generate(checkpoint, energies, tmp_path / "own", threads=1)
    generate(checkpoint, energies, tmp_path / "same", threads=1, solver="heun", steps=2)
    generate(checkpoint, energies, tmp_path / "other", threads=1, solver="rk4")
    assert (tmp_path / "own").read_bytes() == (tmp_path / "same").read_bytes()
    with h5py.File(tmp_path / "own") as a, h5py.File(tmp_path / "other") as b:
        assert not np.array_equal(a["showers"][:], b["showers"][:])
        assert '"solver": "rk4"' in str(b.attrs["sampler"]) and '"steps": 2' in str(b.attrs["sampler"])
    model = load_checkpoint(checkpoint)[0]
    mine = model.sample(torch.from_numpy(energies), torch.Generator().manual_seed(0), OdeSettings(RK4(), 2))
    own = model.sample(torch.from_numpy(energies), torch.Generator().manual_seed(0))
    assert not torch.equal(mine, own)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"solver": "ode45"}, "'ode45' is no solver"), ({"steps": 0}, "--steps is 0; give at least 1")],
)
def test_samplers_that_cannot_be(trained: tuple[Recipe, Path], tmp_path: Path, arguments: Any, said: str) -> None:
    with pytest.raises(CaloforgeError, match=said):
        generate(trained[1], np.full(2, 5e4, np.float32), tmp_path / "out", **arguments)


def test_a_flow_has_no_solver(tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match="--solver and --steps are for models that are integrated"):
        generate(checkpoint_folder("calogan-student"), np.full(2, 5e4, np.float32), tmp_path / "out", steps=4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            ["stages.energies.matching.coupling=exact-ot"],
            "matching is for flow matching, but stage 'energies'",
        ),
        (["stages.voxels.matching.coupling=best"], "'best' is no coupling"),
        (["model.voxels.patches=[1, 5]"], r"key 'model\.voxels\.patches\.2' is missing"),
        (["model.voxels.patches=7"], r"model\.voxels\.patches is 7: "),
        (["stages.voxels.matching.coupling=exactot"], r"Did you mean 'exact-ot'\?$"),
        (["stages.voxels.matching.coupling={kind: sinkhorn, epsilon: 0}"], r"epsilon=0; .* above 0\.$"),
        (["model.field.solver=ode45"], "'ode45' is no solver"),
        (["model.voxels.patches=[[1, 3, 16]]"], None),
    ],
)
def test_recipes_that_cannot_be(changes: list[str], said: str | None, tmp_path: Path) -> None:
    if said is None:
        with pytest.raises(CaloforgeError, match="patches has 1 sizes, but detector 'calogan' has 3 runs"):
            train_recipe(recipe(TINY, *changes), DATA, tmp_path / "run", show=False)
        assert not (tmp_path / "run").exists(), "the folder is free for the recipe put right"
    else:
        with pytest.raises(CaloforgeError, match=said):
            recipe(TINY, *changes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            TINY.replace("factor: energies\n", "factor: energies\n    objective: flow-matching\n"),
            "flow matching trains a velocity field, but the factor 'energies'",
        ),
        (
            ONE_STEP.replace("    objective: flow-matching\n    matching: {coupling: exact-ot}\n", ""),
            "say 'objective: flow-matching'",
        ),
    ],
)
def test_objectives_that_do_not_fit(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match=said):
        train_recipe(recipe(text), DATA, tmp_path / "run", show=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("flow-matching")])
def test_every_recipe_builds_averages_weights_and_couples_independently(name: str) -> None:
    loaded = load_recipe(name)
    assert all(stage.training.ema_decay is not None for stage in loaded.stages)
    assert all(stage.matching.coupling == "independent" for stage in loaded.stages)
    model = build(loaded.model, preset(loaded.detector))
    assert [stage.factor for stage in loaded.stages] == [key for key, _ in model.named_factors()]
