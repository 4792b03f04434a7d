"""A small detector, showers for it and a recipe that trains in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from caloforge.detectors import CartesianLayer, Detector, to_json
from caloforge.models.recipe import Recipe, parse_recipe
from caloforge.models.train import train_recipe
from caloforge.showers import Showers, write_showers

RECIPE = """\
schema: 1
name: tiny
detector: {detector}
data: {{validation_fraction: 0.2, mirrors: true}}
model:
  family: caloflow
  energies: {{blocks: 2, hidden: 8, layers: 1, bins: 4}}
  voxels: {{blocks: 2, hidden: 12, bins: 4, dropout: 0.1}}
  beta: 1.01
stages:
  - name: energies
    factor: energies
    batch_size: 32
    training: {{epochs: 2, threads: 1, accelerator: cpu, tensorboard: false}}
  - name: voxels
    factor: voxels
    batch_size: 32
    training: {{epochs: 2, threads: 1, accelerator: cpu, tensorboard: false, ema_decay: 0.9}}
  - name: student
    factor: voxels
    objective: distillation
    from: voxels
    batch_size: 32
    model: {{voxels: {{direction: inverse, dropout: 0.0}}}}
    training: {{epochs: 1, threads: 1, accelerator: cpu, tensorboard: false}}
"""


def _detector() -> Detector:
    edges = (-30.0, -10.0, 10.0, 30.0)
    return Detector(
        "tiny",
        (
            CartesianLayer("front", edges, edges, 0.0, 50.0),
            CartesianLayer("back", (-30.0, 0.0, 30.0), (-30.0, 0.0, 30.0), 50.0, 100.0),
        ),
        threshold_mev=1e-2,
        symmetry=("mirror-x", "mirror-y", "mirror-xy"),
    )


def _showers(detector: Detector, n: int, seed: int = 0) -> Showers:
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1e3, 1e4, n)
    shares = rng.dirichlet(np.full(detector.n_voxels, 0.6), n)
    shares[rng.random(shares.shape) < 0.2] = 0
    deposits = 0.95 * energy[:, None] * shares
    return Showers(energy.astype(np.float32), deposits.astype(np.float32), detector)


class Tiny:
    """What the tests of this folder share."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.detector = folder, _detector()
        self.detector_file, self.data = folder / "tiny.json", folder / "tiny.hdf5"
        self.detector_file.write_text(to_json(self.detector))
        self.showers = _showers(self.detector, 200)
        write_showers(self.data, self.showers)
        self.recipe_text = RECIPE.format(detector=self.detector_file)
        self.recipe_file = folder / "tiny.yaml"
        self.recipe_file.write_text(self.recipe_text)

    def recipe(self, *overrides: str) -> Recipe:
        """The recipe with changes."""
        return parse_recipe(self.recipe_text, "tiny.yaml", overrides)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Small detector, showers and recipe."""
    return Tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def trained(tiny: Tiny) -> Path:
    """The checkpoint of a short training; teacher and student."""
    torch.set_num_threads(1)
    result = train_recipe(tiny.recipe(), tiny.data, tiny.folder / "run", show=False)
    assert result.checkpoint is not None
    return result.checkpoint
