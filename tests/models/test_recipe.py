"""Recipes: the shipped ones load, mistakes are named with line and nearest key."""

from __future__ import annotations

import pytest

from caloforge.errors import CaloforgeError
from caloforge.models.recipe import Training, load_recipe, parse_recipe, recipe_names
from caloforge.training.settings import TrainingSettings

GOOD = """\
schema: 1
name: toy
detector: calogan
model:
  family: caloflow
  voxels: {blocks: 2, hidden: 16}
stages:
  - name: energies
    factor: energies
    training:
      epochs: 3
  - name: voxels
    factor: voxels
  - name: student
    factor: voxels
    objective: distillation
    from: voxels
    model: {voxels: {direction: inverse}}
"""


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_load_and_survive_writing(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert parse_recipe(recipe.to_yaml(), "copy") == recipe


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("caloflow")])
def test_students_are_inverse_and_teachers_masked(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.model_of("student")["voxels"]["direction"] == "inverse"
    assert recipe.model_of("voxels")["voxels"]["direction"] == "masked"


def test_published_sizes_of_dataset_1() -> None:
    photons, pions = load_recipe("caloflow-ds1-photons"), load_recipe("caloflow-ds1-pions")
    assert photons.model["beta"] == 2.42
    assert pions.model["beta"] == 6.93
    assert (photons.model["voxels"]["hidden"], pions.model["voxels"]["hidden"]) == (378, 533)
    assert (photons.model_of("student")["voxels"]["hidden"], pions.model_of("student")["voxels"]["hidden"]) == (
        736,
        500,
    )
    assert (photons.stage("voxels").batch_size, pions.stage("voxels").batch_size) == (200, 500)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("epochs: 3", "epoch: 3", 11, ["'epoch'", "Did you mean 'epochs'"]),
        ("epochs: 3", "epochs: three", 11, ["stages.0.training.epochs", "'three'"]),
        ("blocks: 2", "block: 2", 6, ["'block'", "Did you mean 'blocks'"]),
        ("direction: inverse", "direktion: inverse", 18, ["'direktion'", "Did you mean 'direction'"]),
        ("detector: calogan", "detektor: calogan", 3, ["'detektor'", "Did you mean 'detector'"]),
        ("from: voxels", "from: voxel", 17, ["no earlier stage", "Did you mean 'voxels'"]),
        ("schema: 1", "schema: 2", 1, ["newer", "update"]),
        ("family: caloflow", "family: calofow", 5, ["Did you mean 'caloflow'"]),
        ("  - name: voxels", "  - name: energies", 12, ["taken"]),
        ("name: toy", "name: toy\nname: toy", 3, ["line 2"]),
        ("factor: energies", "factor: enrgies", 9, ["Did you mean 'energies'"]),
        ("schema: 1", "schema: [", 3, ["YAML"]),
    ],
)
def test_mistakes_name_their_line(old: str, new: str, line: int, words: list[str]) -> None:
    with pytest.raises(CaloforgeError) as caught:
        parse_recipe(GOOD.replace(old, new, 1), "toy.yaml")
    message = str(caught.value)
    assert "toy.yaml" in message
    assert f"line {line}:" in message
    for word in words:
        assert word in message
    assert "\n" not in message


def test_training_keys_and_defaults_are_those_of_the_loop() -> None:
    settings = TrainingSettings()
    training = Training()
    assert set(training.model_dump()) == set(settings.as_json())
    given = {"epochs", "schedule"}
    assert training.model_dump(mode="json", exclude=given) == {
        k: v for k, v in settings.as_json().items() if k not in given
    }


def test_missing_key_is_named() -> None:
    with pytest.raises(CaloforgeError, match="'detector' is missing"):
        parse_recipe(GOOD.replace("detector: calogan\n", ""), "toy.yaml")


def test_overrides_reach_stages_by_name_number_and_all() -> None:
    recipe = parse_recipe(
        GOOD, "toy", ["stages.voxels.training.epochs=7", "data.mirrors=true", "stages.*.batch_size=9"]
    )
    assert recipe.stage("voxels").training.epochs == 7
    assert recipe.stage("energies").training.epochs == 3
    assert {stage.batch_size for stage in recipe.stages} == {9}
    assert recipe.data.mirrors
    assert parse_recipe(GOOD, "toy", ["stages.0.training.learning_rate=1e-4"]).stages[0].training.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("stages.voxels.training.epoch=7", "Did you mean 'epochs'"),
        ("stages.voxel.batch_size=7", "Did you mean 'voxels'"),
        ("data", "KEY=VALUE"),
        ("name.x=1", "no table"),
        ("data.mirrors=maybe", "data.mirrors"),
    ],
)
def test_wrong_overrides_are_named(override: str, words: str) -> None:
    with pytest.raises(CaloforgeError, match="--set") as caught:
        parse_recipe(GOOD, "toy.yaml", [override])
    assert words in str(caught.value)


def test_unknown_recipe_suggests() -> None:
    with pytest.raises(CaloforgeError, match="Did you mean 'caloflow-calogan'"):
        load_recipe("caloflow-caloga")
