"""Every bad file gets one clear sentence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.showers import Showers, ShowerWriter, UnitWarning, open_showers, write_showers


@pytest.fixture
def good(tmp_path: Path) -> Path:
    write_showers(tmp_path / "a.h5", Showers(np.full(40, 5e4), np.full((40, 504), 99.0), preset("calogan")))
    return tmp_path / "a.h5"


def edit(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with h5py.File(path, "a") as h5:
            change(h5)

    return apply


def replace(name: str, data: object) -> Callable[[Path], None]:
    def change(h5: h5py.File) -> None:
        del h5[name]
        h5[name] = data

    return edit(change)


def _anonymous(voxels: int) -> Callable[[Path], None]:
    def change(h5: h5py.File) -> None:
        del h5["showers"], h5["detector_json"], h5.attrs["detector"]
        h5["showers"] = np.ones((40, voxels))

    return edit(change)


def _empty_rows(h5: h5py.File) -> None:
    h5["showers"].resize(0, axis=0)
    h5["incident_energies"].resize(0, axis=0)


def _no_datasets(h5: h5py.File) -> None:
    del h5["showers"], h5["incident_energies"], h5["detector_json"]


CASES = {
    "missing file": (Path.unlink, "does not exist"),
    "empty file": (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
    "not HDF5": (lambda path: path.write_text("energy,deposit\n1,2\n"), "is not an HDF5 file"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-3000]), "is truncated"),
    "no showers dataset": (edit(lambda h5: h5.__delitem__("showers")), "lacks the dataset 'showers'"),
    "no energies dataset": (edit(lambda h5: h5.__delitem__("incident_energies")), "lacks .*'incident_energies'"),
    "unknown datasets": (edit(_no_datasets), "is no known format"),
    "unequal lengths": (replace("incident_energies", np.ones((39, 1))), r"unequal lengths .*39.*40"),
    "no rows": (edit(_empty_rows), "holds no showers"),
    "wrong rank": (replace("showers", np.ones((40, 6, 84))), r"shape \(40, 6, 84\), but \(N, V\)"),
    "texts": (replace("showers", [b"a"] * 40), "numbers with one row per shower"),
    "two energies": (replace("incident_energies", np.ones((40, 2))), "one energy per shower"),
    "fits no detector": (_anonymous(505), "505 voxels per shower, which fits no preset detector.*calogan 504"),
    "fits another detector": (
        replace("showers", np.ones((40, 368))),
        "368 .* as many as ds1-photons, .*'calogan' has 504",
    ),
    "NaN": (edit(lambda h5: h5["showers"].__setitem__((33, 5), np.nan)), "NaN deposits .*row 33"),
    "infinite": (edit(lambda h5: h5["showers"].__setitem__((33, 5), np.inf)), "infinite deposits .*row 33"),
    "negative": (edit(lambda h5: h5["showers"].__setitem__((33, 5), -1)), "negative deposits .*row 33"),
    "energy zero": (
        edit(lambda h5: h5["incident_energies"].__setitem__((33, 0), 0)),
        "incident energy 0.0 MeV in row 33",
    ),
    "energy NaN": (edit(lambda h5: h5["incident_energies"].__setitem__((33, 0), np.nan)), "incident energy nan"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_sentence(case: str, good: Path) -> None:
    spoil, message = CASES[case]
    spoil(good)
    with pytest.raises(CaloforgeError, match=message) as caught:
        list(open_showers(good).chunks(10))
    text = str(caught.value)
    assert str(good) in text and "\n" not in text


def test_the_row_is_named_when_rows_are_read_in_any_order(good: Path) -> None:
    edit(lambda h5: h5["showers"].__setitem__((33, 5), np.nan))(good)
    file = open_showers(good)
    file._block = 4
    with pytest.raises(CaloforgeError, match="row 33"):
        file.read_rows(np.array([39, 33, 2]))


def test_damage_inside(good: Path) -> None:
    with h5py.File(good) as h5:
        start = h5["showers"].id.get_chunk_info(0).byte_offset
    data = bytearray(good.read_bytes())
    data[start : start + 40] = bytes(40)
    good.write_bytes(bytes(data))
    with pytest.raises(CaloforgeError, match="is damaged: rows"):
        open_showers(good).read()


def test_wrong_names(good: Path) -> None:
    with pytest.raises(
        CaloforgeError, match="504 voxels per shower, as many as calogan, but the detector 'ds3' has 40500"
    ):
        open_showers(good, "ds3")
    with pytest.raises(CaloforgeError, match="Did you mean 'calochallenge'"):
        open_showers(good, format="calochalenge")
    with pytest.raises(CaloforgeError, match="lacks the dataset 'energy' of the calogan format"):
        open_showers(good, format="calogan")
    with pytest.raises(CaloforgeError, match="is a folder"):
        open_showers(good.parent)


@pytest.mark.parametrize(
    ("incident", "deposits", "fix"),
    [(1000.0, 1000.0, "--gev all"), (1000.0, 1.0, "--gev incident"), (1.0, 1000.0, "--gev deposits")],
)
def test_energies_in_gev_warn_with_the_fix_and_go_on(good: Path, incident: float, deposits: float, fix: str) -> None:
    with h5py.File(good, "a") as h5:
        h5["incident_energies"][:] /= incident
        h5["showers"][:] /= deposits
    with pytest.warns(UnitWarning, match=f"convert {good} OUT {fix}"):
        showers = open_showers(good).read()
    assert len(showers) == 40
    right = open_showers(good, gev=fix.split()[-1]).read()
    assert np.allclose(right.incident_energy_mev, 5e4) and np.allclose(right.deposits_mev, 99)


FULL = """
import resource, sys
import numpy as np
from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.showers import Showers, ShowerWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
draw = np.random.default_rng(0)
try:
    with ShowerWriter(sys.argv[1], preset("calogan")) as writer:
        for _ in range(5):
            writer.append(Showers(np.full(520, 5e4), draw.uniform(0, 99, (520, 504)), preset("calogan")))
except CaloforgeError as error:
    sys.exit(f"said: {error}")
"""


def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    """A limit of the file's size fails at the same place as a full disk."""
    run = subprocess.run([sys.executable, "-c", FULL, tmp_path / "a.h5"], capture_output=True, text=True, timeout=120)
    assert run.returncode == 1
    assert "said: " in run.stderr and "a.h5 could not be written (File too large)" in run.stderr, run.stderr
    assert "Traceback" not in run.stderr and len(run.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(good: Path) -> None:
    showers = open_showers(good).read()
    with (
        pytest.raises(CaloforgeError, match="could not be written"),
        ShowerWriter(good / "b.h5", showers.detector) as writer,
    ):
        writer.append(showers)
