"""Results side by side: what the table says, and what may not share one."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pages import judgement
from typer.testing import CliRunner

from caloforge.cli.app import app
from caloforge.errors import CaloforgeError
from caloforge.evaluation.compare import compare, write_comparison
from caloforge.evaluation.results import save_results


@pytest.fixture(scope="module")
def results(toy_showers) -> dict[str, Any]:
    return judgement(toy_showers(120, 1), {"flow": toy_showers(120, 2, 0.05)}, toy_showers(120, 3))[0]


@pytest.fixture
def files(results, tmp_path: Path) -> list[Path]:
    other = copy.deepcopy(results)
    other["name"] = "vae"
    for one in other["classifiers"].values():
        one["auc"] += 0.1
    other["fpd"]["value"] = 0.01
    other["seconds_per_shower"] = {"vae": 0.0002}
    other["hardware"] = "another machine"
    for name, one in (("flow", results), ("vae", other)):
        save_results(one, tmp_path / name / "results.json")
    return [tmp_path / "flow" / "results.json", tmp_path / "vae"]


def _changed(path: Path, change: Any) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def test_lines_mark_the_better_model_and_show_the_floor(files) -> None:
    found = compare(files)
    assert found.labels == ("flow", "vae")
    lines = {line.what: line for line in found.lines}
    auc = lines["AUC, headline"]
    assert [cell.text for cell in auc.cells] == ["0.720 ± 0.004", "0.820 ± 0.004"] and auc.best == 0
    assert auc.floor.text == "0.503 ± 0.003"
    assert lines["FPD · 1000"].best == 1 and lines["FPD · 1000"].cells[1].text.startswith("10.000")
    assert lines["separation power, E"].best is None
    assert [cell.text for cell in lines["ms per shower"].cells] == ["0.400", "0.200"]
    assert [cell.text for cell in lines["times Geant4's speed"].cells] == ["4,500", "9,000"]
    assert any("different machines" in note for note in found.notes)


def test_models_of_one_name_go_by_their_folders(files) -> None:
    _changed(files[1] / "results.json", lambda found: found.update(name="flow"))
    assert compare(files).labels == ("flow", "vae")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found["protocol"].update(name="2024-07"), "protocol"),
        (lambda found: found["protocol"].update(version=2), "version"),
        (lambda found: found["detector"].update(fingerprint="x"), "detector"),
        (lambda found: found["showers"].update(reference=99), "number of showers"),
        (lambda found: found.update(particle="gamma"), "particle"),
    ],
)
def test_what_may_not_share_a_table_is_refused_in_a_sentence(files, change, said: str) -> None:
    _changed(files[1] / "results.json", change)
    with pytest.raises(CaloforgeError, match=f"differ in .*{said}"):
        compare(files)
    done = CliRunner().invoke(app, ["compare", *map(str, files)])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1


def test_bad_files_are_refused(files, tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match="1 result was given, expected at least two"):
        compare(files[:1])
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(CaloforgeError, match=r"x\.json"):
        compare([files[0], tmp_path / "x.json"])


def test_command_prints_the_table_and_writes_the_page(files, tmp_path: Path) -> None:
    out = tmp_path / "side"
    done = CliRunner().invoke(app, ["compare", *map(str, files), "--out", str(out)])
    assert done.exit_code == 0, done.output
    line = next(line for line in done.stdout.splitlines() if "AUC, headline" in line)
    assert line.split()[2:] == ["0.720", "±", "0.004", "0.820", "±", "0.004", "0.503", "±", "0.003"]
    page = (out / "comparison.html").read_text(encoding="utf-8")
    assert "flow and vae" in page and 'class="good" data-v="0.72"' in page
    assert "| AUC, headline | 0.720 ± 0.004 |" in (out / "comparison.md").read_text(encoding="utf-8")
    assert {"auc.pdf", "separations.pdf", "physics.pdf"} <= {path.name for path in (out / "figures").iterdir()}


def test_parts_that_one_model_lacks_leave_a_dash(files, tmp_path: Path) -> None:
    _changed(files[1] / "results.json", lambda found: [found.pop(key) for key in ("fpd", "physics", "memorisation")])
    found = compare(files)
    line = next(line for line in found.lines if line.what == "FPD · 1000")
    assert line.cells[1].text == "–" and line.best is None
    write_comparison(found, tmp_path / "side")
    assert (tmp_path / "side" / "comparison.html").exists()
