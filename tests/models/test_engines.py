"""Both engines of generation: the same showers, each with bytes of its own that an interruption does not change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from caloforge.deployment.fast import FastAutoencoder, FastEngine, FastShowers
from caloforge.deployment.fast.packed import Generated
from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.generative.flow_matching import OdeSettings
from caloforge.models import generate as module
from caloforge.models.build import build
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.engine import Draw, Engine, TorchEngine
from caloforge.models.generate import generate
from caloforge.models.pretrained import pretrained
from caloforge.models.recipe import load_recipe
from caloforge.models.shower_model import ShowerModel
from caloforge.observables.separation import separation_power

ENERGIES = np.linspace(2e3, 9e3, 230, dtype=np.float32)


def _showers(path: Path) -> np.ndarray[Any, Any]:
    with h5py.File(path) as file:
        return np.asarray(file["showers"][:])


def _powers(deposits: np.ndarray[Any, Any], tiny: Any) -> list[float]:
    """Separation powers from the training showers: layer energies, hits, and the voxels of each layer."""
    reference = tiny.showers.deposits_mev
    found = []
    for layer in tiny.detector.slices:
        pair = [np.asarray(sample)[:, layer].astype(np.float64) for sample in (reference, deposits)]
        found.append(separation_power(*(part.sum(1) for part in pair), np.linspace(0, 1e4, 31)))
        found.append(separation_power(*(np.log10(part[part > 0]) for part in pair), np.linspace(-2, 4, 31)))
    hits = [(np.asarray(sample) > 0).sum(1).astype(np.float64) for sample in (reference, deposits)]
    found.append(separation_power(*hits, np.arange(tiny.detector.n_voxels + 2) - 0.5))
    return found


@pytest.mark.parametrize("which", ["", "teacher"])
def test_equal_quality(trained: Path, tiny: Any, tmp_path: Path, which: str) -> None:
    energies = np.linspace(2e3, 9e3, 1000, dtype=np.float32)
    for engine in (FastEngine(), TorchEngine()):
        generate(trained / which, energies, tmp_path / engine.name, seed=3, batch=300, threads=1, engines=[engine])
    fast, torch_ = (_showers(tmp_path / name) for name in ("fast", "torch"))
    assert fast.any() and not np.array_equal(fast, torch_)
    off = abs(fast - torch_) > 1e-3 * torch_.max(1, keepdims=True)
    assert off.any(1).sum() <= 1
    powers = _powers(torch_, tiny)
    assert min(powers) > 0 and max(powers) < 1
    # One voxel on the other side of a bin's edge moves a power by less than this.
    np.testing.assert_allclose(_powers(fast, tiny), powers, atol=1e-3)


def test_models_that_contradict_themselves(tmp_path: Path) -> None:
    energies, done = np.linspace(1e3, 2e4, 800, dtype=np.float32), {}
    for engine in (FastEngine(), TorchEngine()):
        out = tmp_path / engine.name
        done[engine.name] = generate(
            pretrained()["calogan-vae"], energies, out, threads=1, mirrors=True, engines=[engine]
        )
    assert done["fast"].redrawn == done["torch"].redrawn > 0
    fast, torch_ = (_showers(tmp_path / name) for name in ("fast", "torch"))
    assert (abs(fast - torch_) > 1e-3 * torch_.max(1, keepdims=True)).any(1).sum() <= 1


class _Cut(Exception):
    pass


def test_interrupted_with_any_threads(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_PER_FILE", 40)
    whole, cut = tmp_path / "whole", tmp_path / "cut"

    def stop(done: int) -> None:
        if done >= 200:
            raise _Cut

    def run(out: Path, engine: Engine, **more: Any) -> None:
        generate(trained, ENERGIES, out, **{"seed": 1, "batch": 100, "threads": 1, "engines": [engine], **more})

    run(whole, FastEngine())
    with pytest.raises(_Cut):
        run(cut, FastEngine(), progress=stop)
    with pytest.raises(CaloforgeError, match=r"other settings \(engine was 'fast' and is 'torch'\)"):
        run(cut, TorchEngine())
    run(cut, FastEngine())
    assert cut.read_bytes() == whole.read_bytes()
    with h5py.File(whole) as file:
        assert file.attrs["engine"] == "fast"
    run(tmp_path / "three", FastEngine(), threads=3, batch=230)
    run(tmp_path / "one", FastEngine(), threads=1, batch=230)
    np.testing.assert_array_equal(_showers(tmp_path / "three"), _showers(tmp_path / "one"))


def test_bad_showers_are_drawn_again(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = FastShowers.generate, []

    def broken(self: FastShowers, noise: Mapping[str, Any], energy: Any, out: Any = None) -> Generated:
        found = original(self, noise, energy, out)
        if not calls:
            found.deposits_mev[3, 0], found.deposits_mev[5, 1] = np.nan, -1
            found.deposits_mev[7] = 2 * float(energy[7])
            found.mismatch[9] = 0.5
        calls.append(len(energy))
        return found

    monkeypatch.setattr(FastShowers, "generate", broken)
    done = generate(trained, ENERGIES, tmp_path / "out", threads=1, engines=[FastEngine()])
    assert done.redrawn == 4 and calls == [230, 4]
    assert np.isfinite(_showers(tmp_path / "out")).all()


class _Refuses:
    name = "none"

    def draw(self, model: ShowerModel, sampler: OdeSettings | None, threads: int) -> Draw:
        raise CaloforgeError("none knows no model.")


def test_the_first_engine_that_knows_the_model(trained: Path, tmp_path: Path) -> None:
    generate(trained, ENERGIES, tmp_path / "out", threads=1, engines=[_Refuses(), TorchEngine()])
    with h5py.File(tmp_path / "out") as file:
        assert file.attrs["engine"] == "torch"
    with pytest.raises(CaloforgeError, match="none knows no model"):
        generate(trained, ENERGIES, tmp_path / "other", threads=1, engines=[TorchEngine(), _Refuses()][1:])
    assert not list(tmp_path.glob("other*"))


@pytest.mark.parametrize(
    ("recipe", "stage", "found"),
    [
        ("flow-matching-calogan-small", "voxels", "VelocityField was found"),
        ("vae-par04-calogan-small", "shower", "IncidentShares"),
    ],
)
def test_models_without_a_fast_path_say_what_to_do(recipe: str, stage: str, found: str) -> None:
    loaded = load_recipe(recipe, [])
    model = build(loaded.model_of(stage), preset(loaded.detector))
    with pytest.raises(CaloforgeError, match=f"{found}.*use --engine torch"):
        FastEngine().draw(model, None, 1)


def test_threads_share_an_autoencoder() -> None:
    model = load_checkpoint(pretrained()["calogan-vae"])[0]
    energy = torch.linspace(2e3, 9e4, 2 * FastAutoencoder.chunk + 11)
    drawn = [FastEngine().draw(model, None, n)(energy, torch.Generator().manual_seed(0)) for n in (1, 2, 8)]
    for other in drawn[1:]:
        assert all(torch.equal(drawn[0][name], other[name]) for name in ("deposits_mev", "mismatch"))
