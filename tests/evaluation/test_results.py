"""Result files: their schema holds, they are read again, and only equal ones share a table."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.evaluation import entries, evaluate, load_results, same_table, save_results
from caloforge.evaluation.results import JUDGED, plain

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "results-2.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def results(toy_showers) -> dict[str, Any]:
    return evaluate(
        toy_showers(100, 1), toy_showers(100, 2), toy_showers(150, 3), "small-n", quick=True,
        extra_generated={"spoiled": toy_showers(100, 4, lost=0.4)}, seconds_per_shower={"geant4": 1.0}, hardware="desk",
    )  # fmt: skip


def test_the_schema_is_one_and_every_key_is_in_it(results: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(results, SCHEMA)
    assert set(JUDGED) <= set(SCHEMA["properties"]) and set(SCHEMA["$defs"]["sample"]["properties"]) == set(JUDGED)
    missing = set(JUDGED) - set(results)
    assert missing == {"fpd", "kpd", "prdc"}, "the quick form has all but these"


def test_the_long_form_fits_the_schema(toy_showers) -> None:
    parts = ("histograms", "fpd", "prdc", "physics", "multiclass")
    both = {"other": toy_showers(100, 4)}
    long = evaluate(toy_showers(100, 1), toy_showers(100, 2), extra_generated=both, only=parts, protocol="small-n")
    jsonschema.validate(long, SCHEMA)
    assert {"fpd", "kpd", "prdc", "physics", "multiclass", "correlations"} <= set(long)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 3),
        (("separation_power", "Etot / Einc", "value"), 1.5),
        (("classifiers", "headline", "auc"), None),
        (("showers", "reference"), -1),
        (("surprise",), 1),
    ],
)
def test_what_does_not_fit_is_refused_by_the_schema(results: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    wrong = copy.deepcopy(results)
    place = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_written_and_read_again(results: dict[str, Any], tmp_path: Path) -> None:
    save_results(results, tmp_path / "results.json")
    assert load_results(tmp_path) == load_results(tmp_path / "results.json") == results
    assert list(entries(results)) == ["generated", "spoiled", *list(results["others"])[1:]]
    assert entries(results)["generated"]["verdict"] == results["verdict"]
    with pytest.raises(ValueError, match="JSON"):
        save_results({"value": float("nan")}, tmp_path / "nan.json")
    assert not (tmp_path / "nan.json").exists()
    values = {"a": np.float32(np.inf), "b": (np.int64(3), np.array([1.0, np.nan])), 3: True}
    assert plain(values) == {"a": None, "b": [3, [1.0, None]], "3": True}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is no JSON"),
        ("[]", "says no schema, expected 2"),
        ('{"schema": "two"}', "says no schema"),
        ('{"schema": 3}', "has schema 3, newer than 2, the newest that this caloforge reads; update caloforge"),
        ('{"schema": 1}', "has schema 1, which this caloforge no longer reads.*again"),
        ('{"schema": 2}', "lacks 'protocol'"),
    ],
)
def test_other_files_are_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CaloforgeError, match=f"some.json.*{sentence}"):
        load_results(path)
    with pytest.raises(CaloforgeError, match="cannot be read"):
        load_results(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("protocol",), "small-n", "has 'small-n' as 'protocol', expected an object"),
        (("detector",), None, "has nothing as 'detector', expected an object"),
        (("showers",), {}, "lacks 'showers.reference'"),
        (("others",), [], r"has \[\] as 'others', expected an object"),
        (("others", "spoiled"), 1, "has 1 as 'others.spoiled', expected an object"),
        (("name",), 3, "has 3 as 'name', expected a text"),
        (("notes",), 3, "has 3 as 'notes', expected a list"),
        (("seconds_per_shower", "geant4"), "1.8", "as 'seconds_per_shower', expected numbers by name"),
        (("classifiers", "headline"), None, "has nothing as 'classifiers.headline', expected an object"),
        (("classifiers", "headline", "auc"), None, "has nothing as 'classifiers.headline.auc', expected a number"),
        (("classifiers", "headline", "floor"), "x", "'classifiers.headline.floor', expected a number or null"),
        (("separation_power", "Etot / Einc"), 1, "has 1 as 'separation_power.Etot / Einc', expected an object"),
        (("fpd",), "x", "has 'x' as 'fpd', expected an object"),
    ],
)
def test_damaged_results_are_refused_in_a_sentence(
    results: dict[str, Any], tmp_path: Path, path: tuple[str, ...], value: Any, sentence: str
) -> None:
    broken = copy.deepcopy(results)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    save_results(broken, tmp_path / "results.json")
    with pytest.raises(CaloforgeError, match=f"results.json .*{sentence}.*which schema 2 requires"):
        load_results(tmp_path)


def test_any_two_of_three_must_agree(results: dict[str, Any]) -> None:
    silent = {key: value for key, value in results.items() if key != "classifiers"} | {"particle": None}
    small = copy.deepcopy(results)
    for one in small["classifiers"].values():
        one["n"] = 50
    same_table(silent, small)
    with pytest.raises(CaloforgeError, match="showers per class of the classifiers"):
        same_table(silent, results, small)
    with pytest.raises(CaloforgeError, match=r"particle \(e- and gamma\)"):
        same_table(silent, {**results, "particle": "e-"}, {**results, "particle": "gamma"})
    with pytest.raises(CaloforgeError, match=r"showers of FPD \(300 and 100\)"):
        same_table({**results, "fpd": {"value": 1.0, "n": 300}}, {**results, "fpd": {"value": 1.0, "n": 100}})


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("protocol", "name"), "2024-07", "protocol \\(small-n and 2024-07\\)"),
        (("protocol", "version"), 2, "version of the protocol"),
        (("protocol", "quick"), False, "--quick"),
        (("detector", "fingerprint"), "0" * 16, "detector"),
        (("particle",), "pi", "particle"),
        (("compared",), 99, "number of showers compared"),
        (("classifiers", "trees on features", "n"), 50, "showers per class"),
    ],
)
def test_results_that_differ_share_no_table(
    results: dict[str, Any], path: tuple[str, ...], value: Any, words: str
) -> None:
    one = {**results, "particle": "e-"}
    same_table(one)
    same_table(one, copy.deepcopy(one), {**one, "particle": None, "seed": 7})
    other = copy.deepcopy(one)
    place = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(CaloforgeError, match=f"differ in .*{words}.*cannot share a table"):
        same_table(one, other)
    with pytest.raises(CaloforgeError, match="no results to compare"):
        same_table()
