"""The demo goes from the embedded showers to a report, and touches no folder that it did not make."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from caloforge.cli.app import app
from caloforge.evaluation.results import entries, load_results
from caloforge.models.pretrained import pretrained
from caloforge.showers import open_showers


def test_refuses_a_folder_of_others(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "choose another folder" in result.stderr and result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_reaches_its_report_twice(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    short = ["--showers", "250", "--set", "stages.*.training.epochs=1"]
    for _ in range(2):
        result = CliRunner().invoke(app, ["demo", "--out", str(out), *short])
        assert result.exit_code == 0, result.output
    made = {path.stem: open_showers(path).attributes["engine"] for path in out.glob("*.hdf5")}
    assert made.keys() == {"just-trained", *(name.removeprefix("calogan-") for name in pretrained())}
    assert {name for name, engine in made.items() if engine == "fast"} == {"teacher", "student", "vae", "just-trained"}
    report = Path(result.stdout.splitlines()[-1])
    assert report == (out / "report" / "report.html").resolve() and report.is_file()
    samples = entries(load_results(out / "report"))
    assert "just trained" in samples and all("classifiers" in entry for entry in samples.values())
