"""What `caloforge benchmark` refuses, each in one sentence before anything is timed."""

from __future__ import annotations

import fcntl
import json
import shutil
import warnings
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from caloforge.cli.app import app
from caloforge.errors import CaloforgeError
from caloforge.threads import available_threads
from caloforge.timing import Settings, benchmark
from caloforge.timing.benchmark import choose_runtimes
from caloforge.timing.runtime import runtime
from caloforge.timing.subject import geant4_time, of_checkpoint, of_decoder


def said(*arguments: str) -> str:
    """The one line on stderr of a command that is refused."""
    result = CliRunner().invoke(app, ["benchmark", *arguments])
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("caloforge: ") and result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize(
    "text", ["10", "10xx504", "10x-5x504", "10x0x504", "ten x 504", "10x5.5x504", "", "10x99999999"]
)
def test_malformed_decoder(text: str, tmp_path: Path) -> None:
    line = said("--decoder", text, "--out", str(tmp_path / "out"))
    assert f"--decoder is '{text}'" in line and "10x50x100x200x504" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "found"), [("0", "--batch is '0'"), ("1,0,10", "1,0,10"), ("many", "'many'"), ("-3", "-3")]
)
def test_batches(text: str, found: str, tmp_path: Path) -> None:
    assert found in said("--decoder", "3x4", "--batch", text, "--runtimes", "pytorch", "--out", str(tmp_path / "out"))


def test_one_subject(tmp_path: Path) -> None:
    assert "either a checkpoint or --decoder" in said("--out", str(tmp_path))
    assert "either a checkpoint or --decoder" in said("calogan-vae", "--decoder", "3x4", "--out", str(tmp_path))
    assert "no-such-model is no folder" in said("no-such-model", "--out", str(tmp_path))


def test_other_weights_are_another_subject(tmp_path: Path) -> None:
    assert "has no weights.safetensors" in said(str(tmp_path), "--out", str(tmp_path / "out"))
    (tmp_path / "weights.safetensors").write_bytes(b"one")
    first = of_checkpoint(str(tmp_path))
    (tmp_path / "weights.safetensors").write_bytes(b"two")
    second = of_checkpoint(str(tmp_path))
    assert first["folder"] == second["folder"] and first["weights_sha256"] != second["weights_sha256"]


def test_runtime_that_is_unknown(tmp_path: Path) -> None:
    line = said("--decoder", "3x4", "--runtimes", "onnxruntme", "--out", str(tmp_path))
    assert "Did you mean 'onnxruntime'?" in line
    assert "--runtimes names none" in said("--decoder", "3x4", "--runtimes", ",", "--out", str(tmp_path))


def test_runtime_that_is_not_installed(toy_runtimes: Path, tmp_path: Path) -> None:
    line = said("--decoder", "3x4", "--runtimes", "pytorch,toy-absent", "--out", str(tmp_path))
    assert "a_module_that_is_not_there is not installed; pip install 'caloforge[toys]'" in line
    chosen, absent = choose_runtimes(None)
    assert "toy-absent" not in chosen and "caloforge[toys]" in absent["toy-absent"]
    assert "pytorch" in chosen and "blas" in chosen


def test_runtimes_of_the_benchmark_are_none_of_export(toy_runtimes: Path) -> None:
    from caloforge.deployment.runtimes import RUNTIMES

    assert not [name for name in RUNTIMES.names() if name.startswith("toy-")]


@pytest.mark.parametrize("name", ["torch-compile", "aotinductor", "sofie"])
def test_no_compiler(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr("caloforge.timing.runtime.find_spec", lambda module: object())
    with pytest.raises(CaloforgeError, match=rf"'{name}' cannot be used: it needs a C\+\+ compiler and there is no g"):
        choose_runtimes([name])


def test_every_runtime_says_what_it_needs() -> None:
    from caloforge.timing.runtimes import ORDER

    for name in ORDER:
        made = runtime(name)
        assert made.label and (made.extra or made.bound or made.packages[0] in ("torch", "caloforge")) and made.flags


def test_threads() -> None:
    with pytest.raises(CaloforgeError, match="--threads is 0"):
        Settings(("pytorch",), threads=0)
    with pytest.warns(UserWarning, match=rf"--threads is {available_threads() + 1}, but only"):
        Settings(("pytorch",), threads=available_threads() + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Settings(("pytorch",), threads=available_threads())


def test_folder_in_use(tmp_path: Path) -> None:
    arguments = ("--decoder", "3x4", "--runtimes", "pytorch", "--out")
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("x", encoding="utf-8")
    assert "in use by something else (thesis.tex" in said(*arguments, str(full))
    assert (full / "thesis.tex").read_text(encoding="utf-8") == "x" and len(list(full.iterdir())) == 1
    assert "which is a file" in said(*arguments, str(full / "thesis.tex"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "benchmark.json").write_text(json.dumps({"schema": 1, "subject": {"kind": "decoder"}}), encoding="utf-8")
    assert "holds another benchmark (subject: widths None there, [3, 4] asked for)" in said(*arguments, str(other))
    (other / "benchmark.json").write_text(json.dumps({"schema": 99}), encoding="utf-8")
    assert "newer than 1" in said(*arguments, str(other))
    (other / "benchmark.json").write_text("{", encoding="utf-8")
    assert "is no result of a benchmark" in said(*arguments, str(other))


def test_folder_of_another_machine(tmp_path: Path) -> None:
    settings = Settings(("pytorch",), (1,), repeats=1)
    begun = {"schema": 1, "subject": of_decoder("3x4"), "machine": {"processor": "Abacus"}}
    begun["settings"] = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(settings).items()}
    (tmp_path / "benchmark.json").write_text(json.dumps(begun), encoding="utf-8")
    with pytest.raises(CaloforgeError, match=r"begun on another machine \(Abacus; this is"):
        benchmark(of_decoder("3x4"), settings, tmp_path)


def test_folder_of_a_benchmark_that_runs(tmp_path: Path) -> None:
    with (tmp_path / ".benchmark.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CaloforgeError, match="another benchmark that runs now"):
            benchmark(of_decoder("3x4"), Settings(("pytorch",)), tmp_path)


def test_a_processor_without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO would compute in float32 there without a word."""
    monkeypatch.setattr("caloforge.deployment.runtimes.openvino.capabilities", lambda: ["FP32"])
    with pytest.raises(CaloforgeError, match=r"'openvino-bf16' cannot be used: .*does not compute in bfloat16"):
        choose_runtimes(["openvino-bf16"])
    chosen, absent = choose_runtimes(None)
    assert "openvino" in chosen and "openvino-bf16" not in chosen
    assert "does not compute in bfloat16" in absent["openvino-bf16"]


def test_times_of_geant4(tmp_path: Path) -> None:
    showers = tmp_path / "showers.hdf5"
    with pytest.raises(CaloforgeError, match=r"--geant4-file .*showers.hdf5 is no file"):
        geant4_time(showers)
    showers.touch()
    with pytest.raises(CaloforgeError, match=r"does not say how long Geant4 took \(No such file or directory\)"):
        geant4_time(showers)
    beside = tmp_path / "showers.hdf5.provenance.json"
    beside.write_text(json.dumps({"cpu_seconds": {"mean_per_shower": 1.5}}), encoding="utf-8")
    assert geant4_time(showers) == 1.5
    base = ("--decoder", "3x4", "--runtimes", "pytorch", "--out", str(tmp_path / "out"))
    assert "--geant4-seconds is -1.0" in said(*base, "--geant4-seconds", "-1")
    assert "not both" in said(*base, "--geant4-seconds", "1", "--geant4-file", str(showers))
