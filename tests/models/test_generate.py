"""Generation: the same bytes after an interruption, bad showers drawn again, bad requests refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from caloforge.errors import CaloforgeError
from caloforge.models import generate as module
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.generate import check_range, generate, physical
from caloforge.models.seen import Seen
from caloforge.models.shower_model import ShowerModel
from caloforge.showers import open_showers
from caloforge.showers.energies import energies_like, parse_energies

ENERGIES = np.linspace(2e3, 9e3, 130, dtype=np.float32)


def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_PER_FILE", 40)


@pytest.mark.parametrize("which", ["", "teacher"])
def test_one_shower_for_each_energy(trained: Path, tiny: Any, tmp_path: Path, which: str) -> None:
    done = generate(trained / which, ENERGIES, tmp_path / "out.hdf5", seed=4, batch=50, threads=1)
    assert done.showers == 130
    file = open_showers(tmp_path / "out.hdf5", detector=tiny.detector)
    showers = file.read(0, 130)
    np.testing.assert_array_equal(showers.incident_energy_mev, ENERGIES)
    assert np.isfinite(showers.deposits_mev).all() and (showers.deposits_mev >= 0).all()
    assert (showers.deposits_mev.sum(axis=1) <= 1.0102 * ENERGIES).all()
    assert str(file.attributes["seed"]) == "4" and str(file.attributes["stage"]) == ("voxels" if which else "student")
    assert not (tmp_path / "out.hdf5.partial").exists()
    seen, told = Seen.of_file(file.attributes), load_checkpoint(trained / which)[2]["data"]
    assert seen is not None and seen.sha256 == told["sha256"]
    assert seen.among(0, told["showers"]) == sum(
        end - first for rows in ("training_rows", "validation_rows") for first, end in told[rows]
    )


class _Cut(Exception):
    pass


def test_interrupted_and_resumed_gives_the_same_bytes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _small_pieces(monkeypatch)
    whole, cut = tmp_path / "whole" / "out.hdf5", tmp_path / "cut" / "out.hdf5"
    generate(trained, ENERGIES, whole, seed=1, batch=20, threads=1)

    def stop(done: int) -> None:
        if done >= 80:
            raise _Cut

    with pytest.raises(_Cut):
        generate(trained, ENERGIES, cut, seed=1, batch=20, threads=1, progress=stop)
    assert not cut.exists()
    pieces = sorted(cut.with_name("out.hdf5.partial").glob("showers-*.npz"))
    assert len(pieces) == 2
    pieces[1].write_bytes(pieces[1].read_bytes()[:100])  # a torn piece is made again
    with pytest.raises(CaloforgeError, match="seed was 1 and is 2"):
        generate(trained, ENERGIES, cut, seed=2, batch=20, threads=1)
    with pytest.raises(CaloforgeError, match="energies_sha256"):
        generate(trained, ENERGIES[::-1], cut, seed=1, batch=20, threads=1)
    generate(trained, ENERGIES, cut, seed=1, batch=20, threads=1)
    assert cut.read_bytes() == whole.read_bytes()


def test_seed_decides(trained: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(trained, ENERGIES, tmp_path / name, seed=seed, threads=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_unphysical_showers_are_drawn_again_and_counted(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = ShowerModel.sample_state, []

    def broken(
        self: ShowerModel, energy: torch.Tensor, generator: torch.Generator, settings: object
    ) -> dict[str, torch.Tensor]:
        state = original(self, energy, generator)
        if not calls:
            showers = state["deposits_mev"]
            showers[3, 0], showers[5, 1], showers[7] = torch.nan, -1.0, 2 * energy[7]
            state["mismatch"] = 0.5 * (torch.arange(len(energy)) == 9)
        calls.append(len(energy))
        return state

    monkeypatch.setattr(ShowerModel, "sample_state", broken)
    done = generate(trained, ENERGIES, tmp_path / "out.hdf5", batch=200, threads=1)
    assert done.redrawn == 4 and calls == [130, 4]
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert np.isfinite(file["showers"][:]).all()
        assert int(file.attrs["redrawn"]) == 4


def test_showers_that_keep_contradicting_themselves_are_kept(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ShowerModel.sample_state
    monkeypatch.setattr(
        ShowerModel,
        "sample_state",
        lambda self, energy, generator, _: original(self, energy, generator) | {"mismatch": torch.ones(len(energy))},
    )
    done = generate(trained, ENERGIES, tmp_path / "out.hdf5", batch=200, threads=1)
    assert done.showers == 130 and done.redrawn == 5 * 130


def test_showers_that_stay_unphysical_are_an_error(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = lambda self, energy, generator, _: {"deposits_mev": torch.full((len(energy), 13), torch.nan)}  # noqa: E731
    monkeypatch.setattr(ShowerModel, "sample_state", broken)
    with pytest.raises(CaloforgeError, match="stayed unphysical"):
        generate(trained, ENERGIES, tmp_path / "out.hdf5", threads=1)
    assert not (tmp_path / "out.hdf5").exists()


def test_physical() -> None:
    energy = torch.tensor([10.0, 10.0, 10.0, 10.0, 10.0])
    deposits = torch.tensor([[5.0, 5.05], [5.0, 5.2], [torch.inf, 0.0], [-0.1, 1.0], [0.0, 0.0]])
    assert physical(deposits, energy, 1.01).tolist() == [True, False, False, False, True]


def test_energies_outside_the_trained_range(trained: Path, tmp_path: Path) -> None:
    energies = np.array([5e3, 5e4], dtype=np.float32)
    with pytest.raises(CaloforgeError, match=r"1 of 2 .*--extrapolate"):
        generate(trained, energies, tmp_path / "out.hdf5", threads=1)
    assert not list(tmp_path.iterdir())
    assert generate(trained, energies, tmp_path / "out.hdf5", threads=1, extrapolate=True).showers == 2


def test_ends_of_a_finite_sample_count_as_inside() -> None:
    check_range(np.float32([970.0, 1.04e5]), [1.02e3, 1e5])
    check_range(np.float32([850.0]), [1.15e3, 1e5], 1500)
    for energy, n in ((940.0, None), (800.0, 1500), (500.0, 10), (1.06e5, 1500)):
        with pytest.raises(CaloforgeError, match="outside"):
            check_range(np.float32([energy]), [1.15e3 if n else 1e3, 1e5], n)


def test_bad_requests(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match="no incident energies"):
        generate(trained, ENERGIES[:0], tmp_path / "out.hdf5")
    (tmp_path / "there.hdf5").write_bytes(b"kept")
    with pytest.raises(CaloforgeError, match="exists"):
        generate(trained, ENERGIES, tmp_path / "there.hdf5")
    assert (tmp_path / "there.hdf5").read_bytes() == b"kept"
    shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("step-*", "resume"))
    (tmp_path / "copy" / "weights.safetensors").unlink()
    with pytest.raises(CaloforgeError, match=r"weights\.safetensors"):
        generate(tmp_path / "copy", ENERGIES, tmp_path / "out.hdf5")


def test_mirrors_average_over_the_symmetries(trained: Path, tiny: Any, tmp_path: Path) -> None:
    for name, mirrors in (("plain", False), ("mirrored", True)):
        generate(trained, ENERGIES, tmp_path / name, threads=1, mirrors=mirrors)
    plain = open_showers(tmp_path / "plain", detector=tiny.detector).read(0, 130).deposits_mev
    mirrored = open_showers(tmp_path / "mirrored", detector=tiny.detector).read(0, 130).deposits_mev
    assert (plain != mirrored).any()
    for part in tiny.detector.slices:
        np.testing.assert_array_equal(np.sort(plain[:, part]), np.sort(mirrored[:, part]))


def test_energies_of_the_command_line(tiny: Any) -> None:
    np.testing.assert_array_equal(parse_energies("1,10,50GeV", 2, 0), [1e3, 1e3, 1e4, 1e4, 5e4, 5e4])
    assert parse_energies("500MeV", None, 0).tolist() == [500.0]
    drawn = parse_energies("log:1:100GeV", 20_000, 0)
    assert drawn.dtype == np.float32 and 1e3 <= drawn.min() < drawn.max() <= 1e5
    assert abs(np.log10(drawn).mean() - 4) < 0.02
    assert abs(parse_energies("uniform:1:2TeV", 20_000, 0).mean() - 1.5e6) < 1e4
    np.testing.assert_array_equal(energies_like(tiny.data, 7), tiny.showers.incident_energy_mev[:7])
    assert len(energies_like(tiny.data)) == 200
    with pytest.raises(CaloforgeError, match="fewer"):
        energies_like(tiny.data, 201)


@pytest.mark.parametrize(
    "text",
    ["", "5", "log:1GeV", "log:5:1GeV", "log:0:1GeV", "uniform:1:2:3GeV", "cubic:1:2GeV", "1,,2GeV", "-1GeV"],
)
def test_energies_that_make_no_sense(text: str) -> None:
    with pytest.raises(CaloforgeError, match="--energies"):
        parse_energies(text, 10, 0)


def test_a_range_needs_a_number() -> None:
    with pytest.raises(CaloforgeError, match="needs -n"):
        parse_energies("log:1:2GeV", None, 0)
