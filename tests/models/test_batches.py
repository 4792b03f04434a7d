"""Batches: a function of (seed, epoch, batch), in memory as from disk, and views that are true showers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from caloforge.errors import CaloforgeError
from caloforge.models.batches import ShowerBatches, ShowerRows, split_rows
from caloforge.models.build import build
from caloforge.models.recipe import Data


def _factor(tiny: Any) -> Any:
    model = build(tiny.recipe().model, tiny.detector)
    model.fit(torch.tensor(tiny.showers.incident_energy_mev), torch.tensor(tiny.showers.deposits_mev))
    return model.factors["voxels"]


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0])
def test_any_batch_is_found_again(tiny: Any, memory_bytes: int) -> None:
    rows = ShowerRows(tiny.data, tiny.detector, np.arange(10, 110), memory_bytes=memory_bytes)
    assert rows.in_memory == bool(memory_bytes)
    batches = ShowerBatches(rows, _factor(tiny), 32, seed=3, mirrors=True)
    assert len(batches) == 4
    whole, rest = list(batches.epoch(1)), list(batches.epoch(1, start=2))
    assert [len(batch["x"]) for batch in whole] == [32, 32, 32, 4]
    assert len(rest) == 2
    for a, b in zip(whole[2:], rest, strict=True):
        assert torch.equal(a["x"], b["x"]) and torch.equal(a["context"], b["context"])
    assert not torch.equal(whole[0]["x"], next(iter(batches.epoch(2)))["x"])
    assert all(torch.isfinite(batch["x"]).all() for batch in whole)


def test_validation_is_the_same_in_every_epoch(tiny: Any) -> None:
    rows = ShowerRows(tiny.data, tiny.detector, np.arange(50))
    batches = ShowerBatches(rows, _factor(tiny), 20, seed=0, mirrors=True, fixed=True)
    for a, b in zip(batches.epoch(0), batches.epoch(7), strict=True):
        assert torch.equal(a["x"], b["x"])


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0])
def test_turned_copies_belong_to_their_showers(tiny: Any, tmp_path: Path, memory_bytes: int) -> None:
    path = tmp_path / "turned.hdf5"
    path.write_bytes(tiny.data.read_bytes())
    first = 150
    own = tiny.showers.deposits_mev[first:]
    with h5py.File(path, "a") as file:
        file["showers_turned"] = np.stack([own * 0.5, own * 0.25], axis=1)
        file.attrs["showers_turned_first_row"] = first
    chosen = np.array([3, 140, 150, 160, 199])
    rows = ShowerRows(path, tiny.detector, chosen, turned=True, memory_bytes=memory_bytes)
    assert rows.copies == 2
    energy, deposits = rows.read(np.array([4, 0, 2, 3, 1]), np.array([2, 1, 1, 0, 2]))
    original = tiny.showers.deposits_mev[[199, 3, 150, 160, 140]]
    np.testing.assert_array_equal(energy, tiny.showers.incident_energy_mev[[199, 3, 150, 160, 140]])
    np.testing.assert_allclose(deposits, original * np.array([0.25, 1, 0.5, 1, 1])[:, None], rtol=1e-6)


def test_mirrors_keep_the_energy_of_each_layer(tiny: Any) -> None:
    rows = ShowerRows(tiny.data, tiny.detector, np.arange(100))
    symmetries = ShowerBatches(rows, _factor(tiny), 10, 0, mirrors=True).views
    assert len(symmetries) == 4
    for permutation in symmetries:
        assert (tiny.detector.layer_of_voxel[permutation] == tiny.detector.layer_of_voxel).all()


def test_split_leaves_held_out_rows_alone() -> None:
    data = Data(rows=(1000, None), validation_fraction=0.1)
    training, validation = split_rows(Path("x.hdf5"), 3000, {}, data, 0)
    assert min(training.min(), validation.min()) >= 1000
    assert len(validation) == 200 and not set(training) & set(validation)
    training, _ = split_rows(Path("cut.hdf5"), 1500, {"source_first_row": "1000"}, data, 0)
    assert training.min() < 10 and len(training) == 1350
    with pytest.raises(CaloforgeError, match="too few"):
        split_rows(Path("heldout.hdf5"), 1000, {"source_first_row": "0"}, data, 0)
