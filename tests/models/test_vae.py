"""Autoencoders of showers: from the embedded sample to a file, resumed to the byte, in each of their spaces."""

from __future__ import annotations

import os
import signal
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.generative import VAE
from caloforge.models.build import build
from caloforge.models.generate import generate
from caloforge.models.recipe import Recipe, load_recipe, parse_recipe, recipe_names
from caloforge.models.shower_model import ShowerModel
from caloforge.models.train import train_recipe
from caloforge.nn import MLP
from caloforge.showers import open_showers
from caloforge.training import Callback, Moment

TINY = """\
schema: 1
name: tiny-vae
detector: calogan
data: {validation_fraction: 0.2, mirrors: true}
model:
  family: vae
  shower: {latent: 4, encoder: [24], decoder: [24], components: 2}
  beta: 1.01
stages:
  - name: shower
    factor: shower
    objective: evidence-bound
    bound: {warm_up: 5, free_nats: 0.01}
    batch_size: 100
    training: &training
      {epochs: 4, learning_rate: 1.0e-2, threads: 1, accelerator: cpu, tensorboard: false, ema_decay: 0.9}
"""
INCIDENT = TINY.replace(", components: 2}", "}\n  voxel_space: incident")
GIVEN = (
    TINY.replace("family: vae", "family: vae-given-energies")
    .replace("  shower: {", "  energies: {blocks: 2, hidden: 8, bins: 4, tail_bound: 8.0}\n  voxels: {")
    .replace("name: shower\n    factor: shower", "name: voxels\n    factor: voxels")
    + "  - name: energies\n    factor: energies\n    batch_size: 200\n    training: *training\n"
)
SPACES = {"hits": TINY, "incident": INCIDENT, "given energies": GIVEN}
DATA = Path(str(files("caloforge.data").joinpath("calogan_positrons_heldout.hdf5")))


def recipe(text: str = TINY, *changes: str) -> Recipe:
    """A recipe that trains in seconds."""
    return parse_recipe(text, "tiny.yaml", changes)


def autoencoder(model: ShowerModel) -> VAE:
    """The autoencoder of a shower model, under its factor's name."""
    name = "shower" if "shower" in model.factors else "voxels"
    found = dict(model.named_factors())[name].model
    assert isinstance(found, VAE)
    return found


@pytest.fixture(scope="module", params=SPACES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A recipe and the checkpoint of its short training on the embedded sample."""
    chosen = recipe(SPACES[request.param])
    result = train_recipe(chosen, DATA, tmp_path_factory.mktemp("vae") / "run", show=False)
    assert result.checkpoint is not None
    return chosen, result.checkpoint


class _Stop(Callback):
    def on_step(self, moment: Moment) -> None:
        if moment.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)


def test_interrupted_in_the_warm_up_a_run_goes_on_to_the_same_bytes(
    trained: tuple[Recipe, Path], tmp_path: Path
) -> None:
    chosen, whole = trained
    stops = lambda model, stage: [_Stop()] if stage.objective == "evidence-bound" else []  # noqa: E731
    assert train_recipe(chosen, DATA, tmp_path / "run", callbacks=stops, show=False).checkpoint is None
    assert train_recipe(chosen, DATA, tmp_path / "run", show=False).checkpoint is not None
    for name in ("weights.safetensors", "recipe.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_generated_showers_are_physical_and_the_seed_decides(trained: tuple[Recipe, Path], tmp_path: Path) -> None:
    chosen, checkpoint = trained
    energies = np.linspace(2e3, 9e4, 60, dtype=np.float32)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate(checkpoint, energies, tmp_path / name, seed=seed, batch=30, threads=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    deposits = np.asarray(open_showers(tmp_path / "a", "calogan").read(0, 60).deposits_mev)
    assert np.isfinite(deposits).all() and (deposits >= 0).all()
    total = deposits.sum(1) / energies
    assert (total <= 1.0101).all()
    if chosen.model.get("voxel_space") == "incident":  # nothing holds the sum, and every voxel holds a little
        assert np.median(total) > 0.2 and deposits.shape == (60, 504)
        return
    geant4 = np.asarray(open_showers(DATA, "calogan").read(0, 500).deposits_mev)
    assert 0.5 < (deposits > 0).mean() / (geant4 > 0).mean() < 2
    assert np.median(total) > 0.9


def test_fit_and_encoding_hold_before_any_training() -> None:
    showers = open_showers(DATA, "calogan").read(0, 300)
    parts = (showers.incident_energy_mev, showers.deposits_mev)
    energy, deposits = (torch.from_numpy(np.array(part)) for part in parts)
    for text in SPACES.values():
        model = build(recipe(text).model, preset("calogan"))
        model.fit(energy, deposits)
        assert len(list(model.parameters())) == len({id(p) for p in model.parameters()})
        for _, factor in model.named_factors():
            batch = factor.encode(energy, deposits, torch.Generator().manual_seed(0))
            assert batch["x"].isfinite().all() and batch["x"].shape == (300, factor.model.features)
        drawn = model.sample(energy[:50], torch.Generator().manual_seed(1))
        assert drawn.shape == (50, 504) and drawn.isfinite().all() and (drawn >= 0).all()


def test_the_noise_has_names_and_the_decoder_is_an_mlp() -> None:
    model = build(recipe().model, preset("calogan"))
    found = {name: (noise.shape, noise.law) for name, noise in model.noise().items()}
    assert found == {
        "shower.z": ((4,), "normal"),
        "shower.energies.choice": ((3,), "uniform"),
        "shower.energies.value": ((3,), "normal"),
        "shower.voxels.choice": ((504,), "uniform"),
        "shower.voxels.value": ((504,), "normal"),
    }
    assert isinstance(model.get_submodule("factors.shower.model.decoder"), MLP)
    classical = build(recipe(INCIDENT).model, preset("calogan"))
    assert {name: noise.shape for name, noise in classical.noise().items()} == {"shower.z": (4,)}
    assert autoencoder(classical).decoder(torch.zeros(2, 5)).shape == (2, 504)


def test_the_classical_one_is_sigmoid_times_the_incident_energy() -> None:
    model = build(recipe(INCIDENT, "model.threshold_mev=1.0e-30").model, preset("calogan"))
    energy, z = torch.tensor([2e4, 9e4]), torch.randn(2, 4)
    context = torch.log(energy)[:, None]
    expected = torch.sigmoid(autoencoder(model).decoder(torch.cat([z, context], 1))) * energy[:, None]
    torch.testing.assert_close(model.decode({"shower.z": z}, {"incident_energy_mev": energy}), expected)


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        (TINY.replace("    objective: evidence-bound\n    bound: {warm_up: 5, free_nats: 0.01}\n", ""), [], "say 'obj"),
        (
            GIVEN + "    objective: evidence-bound\n",
            [],
            "evidence bound trains an autoencoder, but the factor 'ene",
        ),
        (INCIDENT, ["model.shower.components=2"], "shares of the incident energy do not scatter"),
    ],
)
def test_recipes_that_cannot_be_trained(text: str, changes: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match=said):
        train_recipe(recipe(text, *changes), DATA, tmp_path / "run", show=False)


@pytest.mark.parametrize(
    ("text", "changes", "said"),
    [
        (TINY, ["stages.shower.bound.beta=-1"], "bound.beta is -1"),
        (TINY, ["stages.shower.bound.warmup=3"], "unknown key 'warmup'"),
        (TINY, ["stages.shower.objective=likelihood"], "bound is for evidence bound, but stage 'shower'"),
        (TINY, ["stages.shower.factor=voxels"], "'voxels' is no factor of vae"),
        (TINY, ["model.shower.latent=0"], "model.shower.latent is 0"),
    ],
)
def test_recipes_that_cannot_be(text: str, changes: list[str], said: str) -> None:
    with pytest.raises(CaloforgeError, match=said):
        recipe(text, *changes)


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("vae")])
def test_every_recipe_builds(name: str) -> None:
    loaded = load_recipe(name)
    model = build(loaded.model, preset(loaded.detector))
    assert [stage.factor for stage in loaded.stages] == [key for key, _ in model.named_factors()]
    assert "matching" not in loaded.to_yaml()


def test_the_classical_recipe_has_the_latent_of_par04() -> None:
    loaded = load_recipe("vae-ds3")
    assert autoencoder(build(loaded.model, preset("ds3"))).latent == 10 and loaded.detector == "ds3"
