"""The commands `info` and `convert`, from the outside."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from caloforge.cli.app import app
from caloforge.detectors import preset
from caloforge.showers import Showers, open_showers, write_showers

RUN = CliRunner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    draw = np.random.default_rng(1)
    deposits = draw.exponential(20, (30, 504)).astype(np.float32)
    energy = draw.uniform(1e4, 1e5, 30).astype(np.float32)
    showers = Showers(energy, deposits, preset("calogan"), extras={"overflow": deposits[:, :3]})
    write_showers(tmp_path / "a.hdf5", showers, {"particle": "e+", "geant4": "11.4"})
    return tmp_path / "a.hdf5"


def test_info(file: Path) -> None:
    result = RUN.invoke(app, ["info", str(file)])
    assert result.exit_code == 0, result.output
    for text in ("30, stored 520 at a time", "calogan: 3 layers, 504 voxels", "overflow", "attribute geant4", "0: 5"):
        assert text in result.output


@pytest.mark.parametrize("compression", ["gzip", "lzf", "none"])
def test_repacking_keeps_everything(file: Path, tmp_path: Path, compression: str) -> None:
    with h5py.File(file, "a") as h5:
        h5["turned"] = np.arange(12.0).reshape(4, 3)
    out = tmp_path / "b.hdf5"
    result = RUN.invoke(app, ["convert", str(file), str(out), "--compression", compression])
    assert result.exit_code == 0, result.output
    a, b = open_showers(file).read(), open_showers(out).read()
    assert np.array_equal(a.deposits_mev, b.deposits_mev)
    assert np.array_equal(a.incident_energy_mev, b.incident_energy_mev)
    assert np.array_equal(a.extras["overflow"], b.extras["overflow"])
    assert open_showers(out).attributes["geant4"] == "11.4"
    with h5py.File(out) as h5:
        assert np.array_equal(h5["turned"][:], np.arange(12.0).reshape(4, 3))
        assert h5["showers"].chunks[1] == 504


def test_convert_to_calogan_and_back(file: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "there.h5", tmp_path / "back.h5"
    assert RUN.invoke(app, ["convert", str(file), str(there), "--to", "calogan"]).exit_code == 0
    assert RUN.invoke(app, ["convert", str(there), str(back)]).exit_code == 0
    a, b = open_showers(file).read(), open_showers(back).read()
    assert np.array_equal(a.deposits_mev, b.deposits_mev)
    assert np.array_equal(a.extras["overflow"], b.extras["overflow"])
    np.testing.assert_array_max_ulp(a.incident_energy_mev, b.incident_energy_mev, 1)


def test_convert_rows_says_what_it_leaves_out(file: Path, tmp_path: Path) -> None:
    with h5py.File(file, "a") as h5:
        h5["turned"] = np.zeros(4)
    result = RUN.invoke(app, ["convert", str(file), str(tmp_path / "b.h5"), "--rows", "5:9"])
    assert result.exit_code == 0
    assert "turned of" in result.output and "left out" in result.output
    assert np.array_equal(
        open_showers(tmp_path / "b.h5").read().deposits_mev, open_showers(file).read(5, 9).deposits_mev
    )


def test_gev_is_warned_of_and_repaired_by_the_shown_command(file: Path, tmp_path: Path) -> None:
    with h5py.File(file, "a") as h5:
        h5["incident_energies"][:] /= 1000
        h5["showers"][:] /= 1000
    wrong = RUN.invoke(app, ["info", str(file)])
    assert wrong.exit_code == 0
    assert f"warning: {file}" in wrong.output and f"caloforge convert {file} OUT --gev all" in wrong.output
    right = RUN.invoke(app, ["convert", str(file), str(tmp_path / "b.h5"), "--gev", "all"])
    assert right.exit_code == 0 and "warning" not in right.output
    assert open_showers(tmp_path / "b.h5").read().incident_energy_mev.min() > 1e4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "par04"], "par04 format holds equal cylindrical layers"),
        (["--to", "calogam"], "Did you mean 'calogan'"),
        (["--rows", "5:99"], "START:STOP"),
        (["--rows", "five"], "START:STOP"),
        (["--detector", "ds2"], "504 voxels per shower, as many as calogan, but the detector 'ds2' has 6480"),
        (["--gev", "some"], "gev is 'some'"),
        (["--compression", "zip"], "compression is 'zip'"),
    ],
)
def test_bad_arguments_write_nothing(file: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = RUN.invoke(app, ["convert", str(file), str(tmp_path / "b.h5"), *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]


def test_a_bad_value_in_the_middle_writes_nothing(file: Path, tmp_path: Path) -> None:
    with h5py.File(file, "a") as h5:
        h5["showers"][25, 7] = np.nan
    result = RUN.invoke(app, ["convert", str(file), str(tmp_path / "b.h5")])
    assert result.exit_code == 2 and "NaN deposits (1 voxels, the first one in row 25)" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]
