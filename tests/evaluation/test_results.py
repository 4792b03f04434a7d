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
