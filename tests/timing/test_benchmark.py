"""A small benchmark from beginning to end, interrupted once: what is kept, what is refused, what is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from caloforge.timing import Results, Settings, benchmark
from caloforge.timing.report import write_report
from caloforge.timing.subject import of_decoder
from caloforge.timing.table import left_out, times

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "benchmark-1.schema.json").read_text(encoding="utf-8"))
SUBJECT = of_decoder("3x8x5")
RUNTIMES = ("pytorch", "toy-right", "toy-wrong", "toy-dies", "toy-refuses", "blas")
SETTINGS = Settings(RUNTIMES, (1, 4), repeats=3, sample_s=2e-4, trace=False)
FACTS = {"geant4_seconds": 0.5, "training_seconds": 60.0}


class Stopped:
    """Progress that stops at the second batch, as Ctrl-C would."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    def __call__(self, done: float, total: float, what: str) -> None:
        self.shares.append(done / total)
        if what == "batch 4":
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def interrupted(toy_runtimes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Stopped]:
    out, stopped = tmp_path_factory.mktemp("benchmark") / "out", Stopped()
    with pytest.raises(KeyboardInterrupt):
        benchmark(SUBJECT, SETTINGS, out, facts=FACTS, progress=stopped)
    return out, json.loads((out / "benchmark.json").read_text(encoding="utf-8")), stopped


@pytest.fixture(scope="module")
def finished(interrupted: tuple[Path, dict[str, Any], Stopped]) -> Results:
    return benchmark(SUBJECT, SETTINGS, interrupted[0], facts=FACTS)


def test_an_interrupted_benchmark_goes_on(interrupted: tuple[Path, dict[str, Any], Stopped], finished: Results) -> None:
    _, before, stopped = interrupted
    assert before["finished"] is False
    assert finished.document["finished"] is True
    for name in ("pytorch", "toy-right", "blas"):
        early, late = before["runtimes"][name], finished.runtimes[name]
        assert set(early["batches"]) == {"1"} and set(late["batches"]) == {"1", "4"}
        assert early["batches"]["1"] == late["batches"]["1"]
        assert early["start"] == late["start"] and early["prepare_s"] == late["prepare_s"]
    assert stopped.shares == sorted(stopped.shares) and 0 <= stopped.shares[0] < stopped.shares[-1] < 1


def test_the_document_is_as_its_schema_says(
    interrupted: tuple[Path, dict[str, Any], Stopped], finished: Results
) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for document in (interrupted[1], finished.document):
        jsonschema.validate(document, SCHEMA)
    assert set(finished.document) == set(SCHEMA["properties"])
    right, bad = finished.runtimes["toy-right"], finished.runtimes["toy-wrong"]
    for name, found in (("runtime", right), ("batch", right["batches"]["4"]), ("refused", bad["refused"]["4"])):
        assert set(found) == set(SCHEMA["$defs"][name]["properties"])
    wrong = {**finished.document, "settings": {**finished.document["settings"], "batches": [0]}}
    with pytest.raises(jsonschema.ValidationError, match="less than the minimum"):
        jsonschema.validate(wrong, SCHEMA)


def test_times_hang_together(finished: Results) -> None:
    for name in ("pytorch", "toy-right"):
        for batch in (1, 4):
            at = finished.runtimes[name]["batches"][str(batch)]
            assert len(at["samples_s"]) == 3 and min(at["samples_s"]) > 0
            assert at["low_s"] <= at["median_s"] <= at["high_s"]
            assert at["us_per_shower"] == pytest.approx(1e6 * at["median_s"] / batch)
            bound = finished.bound(batch)
            assert bound is not None and at["over_bound"] == pytest.approx(at["median_s"] / bound)
            assert at["difference"] < 1e-5 and at["inner"] >= 1


def test_what_each_process_cost(finished: Results) -> None:
    for name in ("pytorch", "toy-right"):
        found = finished.runtimes[name]
        start = found["start"]
        assert 0 < start["interpreter_s"] < start["start_s"] and 0 <= start["load_s"] < start["start_s"]
        assert start["first_call_s"] > 0
        seen = found["threads"]
        assert seen["cores"] == len(os.sched_getaffinity(0))
        assert seen["working"] == 1 and 0.1 < seen["cpu_over_wall"] < 1.2
        assert seen["obeyed"] is (True if seen["cores"] > 1 else None)
        peaks = [at["peak_mb"] for at in found["batches"].values()]
        assert all(5 < peak < 2000 for peak in peaks)
    torch, small = (finished.runtimes[name]["batches"]["4"]["peak_mb"] for name in ("pytorch", "toy-right"))
    assert torch > small + 50


def test_wrong_outputs_are_not_timed(finished: Results) -> None:
    found = finished.runtimes["toy-wrong"]
    assert not found["batches"]
    assert found["refused"]["4"]["difference"] > 0.1 > found["refused"]["4"]["tolerance"]
    assert any(row[0] == "wrong" for row in times(finished)) is False


def test_a_runtime_that_fails_stops_nobody(finished: Results) -> None:
    assert "ended with code 3" in finished.runtimes["toy-dies"]["why_not"]
    assert "the library says why" in finished.runtimes["toy-dies"]["why_not"]
    assert finished.runtimes["toy-refuses"]["why_not"] == "it knows no networks"
    assert sum("toy-" in text for text in left_out(finished)) == 4  # the wrong one at two batch sizes


def test_what_is_written(finished: Results) -> None:
    lines = write_report(finished)
    names = {path.name for path in finished.folder.iterdir()}
    figures = {f"{name}.{kind}" for name in ("time", "memory", "total-time") for kind in ("png", "pdf")}
    assert names == figures | {"benchmark.json", "table.md"}
    page = (finished.folder / "table.md").read_text(encoding="utf-8")
    assert "| PyTorch eager |" in page and "| Geant4 | 500,000 | 500,000 |" in page
    assert finished.document["machine"]["processor"] in page and "plain" in page
    assert any(line.startswith("PyTorch eager") for line in lines)
    stored = Results.load(finished.folder)
    assert stored.document["schema"] == 1 and stored.document["facts"] == FACTS
    assert stored.runtimes["pytorch"]["versions"]["torch"]
    assert stored.document["work"]["products"] == [[1, 3, 8], [1, 8, 5]]
