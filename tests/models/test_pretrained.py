"""The models that come along: whole, small, honest about their data, and close to Geant4 showers they have not seen."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.generate import generate
from caloforge.models.pretrained import checkpoint_folder, pretrained
from caloforge.showers import open_showers
from caloforge.showers.energies import energies_like

HELD_OUT = Path(str(files("caloforge"))) / "data" / "calogan_positrons_heldout.hdf5"
NAMES = ("calogan-flow-matching", "calogan-student", "calogan-teacher", "calogan-vae")


def test_names() -> None:
    assert tuple(pretrained()) == NAMES
    assert checkpoint_folder("calogan-teacher") == pretrained()["calogan-teacher"]
    with pytest.raises(CaloforgeError, match="calogan-teacher"):
        checkpoint_folder("calogan-teecher")


@pytest.mark.parametrize("name", NAMES)
def test_small_and_documented(name: str) -> None:
    folder = pretrained()[name]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5_000_000
    card = (folder / "README.md").read_text(encoding="utf-8").lower()
    for word in ("geant4", "rows 1000", "auc", "floor", "licence"):
        assert word in card, word


@pytest.mark.parametrize("name", NAMES)
def test_trained_on_no_held_out_shower(name: str) -> None:
    data = load_checkpoint(pretrained()[name])[2]["data"]
    for kind in ("training_rows", "validation_rows"):
        assert min(first for first, _ in data[kind]) >= 1000


@pytest.mark.parametrize("name", NAMES)
def test_close_to_unseen_showers(name: str, tmp_path: Path) -> None:
    n = 200 if name == "calogan-flow-matching" else 500  # 32 evaluations of a transformer a shower
    energies = energies_like(HELD_OUT, n)
    done = generate(pretrained()[name], energies, tmp_path / "out.hdf5", threads=1, mirrors=True)
    assert done.redrawn < 25
    unseen, made = (open_showers(path).read(0, n) for path in (HELD_OUT, tmp_path / "out.hdf5"))
    for layer in unseen.detector.slices:
        true, own = (np.asarray(showers.deposits_mev)[:, layer] for showers in (unseen, made))
        hits = [(deposits >= unseen.detector.threshold_mev).sum(1).mean() for deposits in (true, own)]
        assert hits[1] == pytest.approx(hits[0], rel=0.05)
        energies_mev = [deposits.sum(1, dtype=np.float64) for deposits in (true, own)]
        error = np.sqrt(sum(energy.var() for energy in energies_mev) / n)
        assert abs(energies_mev[1].mean() - energies_mev[0].mean()) < 4 * error
    response = [np.asarray(s.deposits_mev).sum(1) / s.incident_energy_mev for s in (unseen, made)]
    assert response[1].mean() == pytest.approx(response[0].mean(), abs=5e-4)
    # The central 68 %: the models' low tail is too thin, as their cards say, and a standard deviation is mostly tail.
    width = [np.diff(np.quantile(values, (0.16, 0.84)))[0] for values in response]
    assert width[1] == pytest.approx(width[0], rel=0.2)
