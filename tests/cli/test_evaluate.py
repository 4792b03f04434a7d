"""`caloforge evaluate` from files to a report, and its sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from caloforge.cli.app import app

GOLDEN = Path(__file__).parent.parent / "data" / "golden"


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["evaluate", *(str(argument) for argument in arguments)])
    return result.exit_code, result.output


def test_files_become_a_report(tmp_path: Path) -> None:
    code, text = run(
        "--reference", GOLDEN / "ds1_photons_reference.hdf5", "--generated", GOLDEN / "ds1_photons_generated.hdf5",
        "--protocol", "caloforge-1", "--detector", "ds1-photons", "--reference-rows", "0:500", "--out", tmp_path / "o",
        "--seconds", "geant4=2", "--seconds", "generated=0.5",
        "--hardware", "a desk", "--only", "histograms",
    )  # fmt: skip
    assert code == 0, text
    assert text.splitlines()[-1] == str(tmp_path / "o" / "report.html")
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    assert results["compared"] == 500 and results["showers"]["reference"] == 500
    assert results["protocol"]["name"] == "caloforge-1" and results["hardware"] == "a desk"
    assert results["detector"]["name"] == "ds1-photons"
    assert results["seconds_per_shower"] == {"geant4": 2.0, "generated": 0.5}
    assert "a desk" in (tmp_path / "o" / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--protocol", "nonsense"], "'nonsense' is no protocol"),
        (["--protocol", "2024-07"], "need at least 121,000 of each class"),
        (["--protocol", "2024-07", "--quick"], "has no quick form"),
        (["--protocol", "2022-10", "--only", "prdc"], "which protocol '2022-10' does not define"),
        (["--only", "auc"], "--only names 'auc'"),
        (["--repeats", "0"], "--repeats is 0"),
        (["--model", "teacher=calogan-teacher"], "with a name among generated"),
        (["--training", str(GOLDEN / "ds1_photons_reference.hdf5")], "share 900 rows"),
        (["--reference-rows", "800:1000"], "expected FIRST:END within 0:900"),
        (["--detector", "ds2"], "368"),
        (["--seconds", "other=1"], "expected NAME=SECONDS"),
        (["--seconds", "geant4=fast"], "expected NAME=SECONDS"),
        (["--seconds", "geant4=-1"], "expected NAME=SECONDS"),
    ],
)
def test_bad_input_exits_with_2_and_writes_nothing(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    code, text = run(
        "--reference", GOLDEN / "ds1_photons_reference.hdf5", "--generated", GOLDEN / "ds1_photons_generated.hdf5",
        "--out", tmp_path / "o", *arguments,
    )  # fmt: skip
    assert code == 2
    assert sentence in text
    assert not (tmp_path / "o").exists()


def test_protocols_are_listed_without_files() -> None:
    code, text = run("--list-protocols")
    assert code == 0
    words = " ".join(text.replace("│", " ").split())
    for name in ("2022-10", "2023-05", "2023-11", "2024-05", "2024-07", "vit4hep", "caloforge-1", "small-n"):
        assert f"{name} " in words
