"""The official classifiers inside `evaluate`: floors at equal numbers, detail of the best one, and going on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from caloforge.evaluation import PROTOCOLS, entries, evaluate, find_protocol


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    """Protocol 2022-10 with two networks of 32 units and thirty epochs."""
    known = find_protocol("2022-10")
    small = tuple(
        replace(one, hidden=32, layers=1, epochs=30, batch=40, learning_rate=3e-3)
        for one in known.classifiers
        if one.kind in ("low", "high")
    )
    monkeypatch.setitem(PROTOCOLS._entries, "tiny", replace(known, name="tiny", classifiers=small))
    return "tiny"


def test_floors_detail_and_going_on(ds2, tiny: str, tmp_path: Path) -> None:
    parts = ("classifiers",)
    reference, generated = ds2[0][:200], replace(ds2[1][:200], deposits_mev=4 * ds2[1].deposits_mev[:200])
    found = evaluate(reference, generated, floor=ds2[0][200:], protocol=tiny, only=parts, out=tmp_path, repeats=2)
    low, high = found["classifiers"]["low"], found["classifiers"]["high"]
    assert low["n"] == low["floor_n"] == 200 and low["repeats"] == high["repeats"] == 2
    assert high["auc"] > 0.8 > high["floor"] and high["auc_error"] > 0 and abs(high["floor_jsd"]) < 0.5
    assert found["weights"]["classifier"] in ("low", "high") and not found["indistinguishable"]
    assert {one["n"] > 0 for one in found["auc_by_energy"]} == {True}
    assert found["verdict"].startswith("Distinguishable")
    kept = sorted(path.name for path in (tmp_path / "classifiers" / "generated").iterdir())
    assert kept[:2] == ["high-000.json", "high-000.npz"] and len(kept) == 8
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "classifiers").rglob("*.json")}
    again = evaluate(reference, generated, floor=ds2[0][200:], protocol=tiny, only=parts, out=tmp_path, repeats=2)
    assert entries(again) == entries(found)
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "classifiers").rglob("*.json")}


def test_without_further_geant4_showers_the_floor_is_missing_and_said(ds2, tiny: str, monkeypatch) -> None:
    counts = tuple(replace(one, split=(40, 20, 20)) for one in find_protocol(tiny).classifiers)
    monkeypatch.setitem(PROTOCOLS._entries, "counted", replace(find_protocol(tiny), classifiers=counts, smallest=80))
    found = evaluate(ds2[0][:80], ds2[1][:80], protocol="counted", only=("classifiers",))
    assert found["classifiers"]["low"]["floor"] is None and found["classifiers"]["low"]["floor_n"] is None
    assert any("have no floor: it takes as many further Geant4 showers" in note for note in found["notes"])
    assert "indistinguishable" not in found
