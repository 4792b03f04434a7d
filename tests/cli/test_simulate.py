"""`caloforge simulate`, `geant4-data` and `doctor`: what they say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from caloforge.cli.app import app
from caloforge.simulation.tables import VARIABLE

run = CliRunner().invoke


def _simulate(out: Path, *more: str) -> Any:
    return run(app, ["simulate", "--detector", "calogan", "--out", str(out), "--geant4-data", "subset", *more])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-n", "0"], "-n is 0; ask for at least one shower"),
        (["-n", "5", "--particle", "muton"], "no known particle"),
        (["-n", "5", "--particle", "pi+"], "give --physics FTFP_BERT"),
        (["-n", "5", "--particle", "pi+", "--physics", "FTFP_BERT"], "PhotonEvaporation6.1.2 is missing"),
        (["--energies", "0.2MeV"], "from 1 MeV to 100 TeV"),
        (["-n", "5", "--detector", "ds1-photons"], "give --energies"),
        (["-n", "5", "--detector", "ds1-photons", "--energies", "1GeV"], "does not say what it is built of"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    result = _simulate(tmp_path / "x.hdf5", *arguments)
    assert result.exit_code == 2 and sentence in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_the_bindings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "caloforge.simulation.engine.find_spec", lambda name: None if name == "geant4_pybind" else find(name)
    )
    result = _simulate(tmp_path / "x.hdf5", "-n", "5")
    assert result.exit_code == 2 and "pip install 'caloforge[geant4]'" in result.stderr


def test_without_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    result = run(app, ["simulate", "--detector", "calogan", "-n", "5", "--out", str(tmp_path / "x.hdf5")])
    assert result.exit_code == 2 and "caloforge geant4-data install" in result.stderr


def test_a_few_showers_and_their_description(tmp_path: Path) -> None:
    out = tmp_path / "few.hdf5"
    result = _simulate(out, "--energies", "1,2GeV", "-n", "2", "--particle", "photon", "--quiet")
    assert result.exit_code == 0 and "4 showers in" in result.stdout and "CPU seconds each" in result.stdout
    described = run(app, ["info", str(out)]).stdout
    assert "1000 to 2000 MeV" in described and "Geant4 11.4" in described and "overflow" in described


def test_the_doctor_tries_a_shower() -> None:
    result = run(app, ["doctor", "--geant4-data", "subset"])
    assert result.exit_code == 0
    lines = {line[5:31].strip(): (line[:4].strip(), line[32:]) for line in result.stdout.splitlines()}
    assert lines["a shower with Geant4"][0] == "yes" and "100 MeV in ds2" in lines["a shower with Geant4"][1]
    assert lines["G4EMLOW8.8"][0] == "yes" and lines["G4EMLOW8.8"][1].endswith("(the part that comes along)")
    assert lines["onnxruntime"][0] == "yes" and {"openvino", "keras", "jax", "sofie", "memray"} < set(lines)
    assert lines["G4PARTICLEXS4.2"] == (
        "no",
        "for hadronic physics: caloforge geant4-data install --hadronic",
    )


def test_the_doctor_says_what_is_missing(tmp_path: Path) -> None:
    result = run(app, ["doctor", "--geant4-data", str(tmp_path)])
    assert result.exit_code == 0
    assert "no   Geant4 data tables" in result.stdout and "no   a shower with Geant4" in result.stdout


def test_the_list_of_tables() -> None:
    listed = run(app, ["geant4-data", "list", "--geant4-data", "subset"]).stdout.splitlines()
    assert len(listed) == 12 and sum("not there" in line for line in listed) == 10
