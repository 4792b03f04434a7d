"""Every runtime that comes along says the same as PyTorch; needs all of them, a C++ compiler and memray."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from caloforge.timing import Results, Settings, benchmark
from caloforge.timing.runtimes import ORDER
from caloforge.timing.subject import of_checkpoint, of_decoder

pytestmark = pytest.mark.runtimes
FOR_SHOWERS = (
    "pytorch",
    "pytorch-plain",
    "torchscript",
    "onnxruntime",
    "onnxruntime-bound",
    "openvino",
    "fast",
    "blas",
)
GROUPS = {
    "torch": ("pytorch", "torchscript", "torch-compile", "aotinductor"),
    "files": ("onnxruntime", "onnxruntime-bound", "openvino", "openvino-bf16", "sofie", "sofie-fast"),
    "layers": ("keras", "keras-on-batch", "keras-predict", "jax", "fast"),
}


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Results:
    settings = Settings(FOR_SHOWERS, (1, 20), repeats=2, sample_s=1e-3, trace=False)
    return benchmark(of_checkpoint("calogan-student"), settings, tmp_path_factory.mktemp("runtimes") / "student")


@pytest.mark.parametrize("group", GROUPS)
def test_decoders(group: str, tmp_path: Path) -> None:
    settings = Settings((*GROUPS[group], "blas"), (1, 300), repeats=2, sample_s=1e-3)
    results = benchmark(of_decoder("4x30x40"), settings, tmp_path / "out")
    for name in GROUPS[group]:
        found = results.runtimes[name]
        assert found["why_not"] is None, name
        for batch in (1, 300):
            at = found["batches"][str(batch)]
            assert at["difference"] <= (0.05 if found["precision"] == "bfloat16" else 1e-5) and at["median_s"] > 0
        assert found["threads"]["working"] >= 1 and found["versions"]
        assert found["memory"]["peak_mb"] > 0.1 and found["memory"]["allocations"] > 10
        page = results.folder / "allocations" / found["memory"]["flame_graph"]
        assert b"memray" in page.read_bytes()
    assert results.bound(300) is not None


def test_no_runtime_is_left_out() -> None:
    assert {*chain(*GROUPS.values()), "pytorch-plain", "blas"} == set(ORDER)


@pytest.mark.parametrize("name", FOR_SHOWERS)
def test_showers(student: Results, name: str) -> None:
    found = student.runtimes[name]
    assert found["why_not"] is None
    assert found["batches"]["20"]["difference"] < 1e-3


def test_compiled_showers(tmp_path: Path) -> None:
    settings = Settings(("torch-compile", "aotinductor"), (1, 20), repeats=1, trace=False, watch=False)
    results = benchmark(of_checkpoint("calogan-vae"), settings, tmp_path / "vae")
    for name in settings.runtimes:
        assert results.runtimes[name]["why_not"] is None
        assert results.runtimes[name]["batches"]["20"]["difference"] < 1e-4


def test_what_cannot_run_showers_says_why(tmp_path: Path) -> None:
    settings = Settings(("jax", "keras", "fast"), (7,), repeats=1, trace=False, watch=False)
    results = benchmark(of_checkpoint("calogan-vae"), settings, tmp_path / "vae")
    assert "chains of dense layers" in results.runtimes["jax"]["why_not"]
    assert "chains of dense layers" in results.runtimes["keras"]["why_not"]
    fast = results.runtimes["fast"]
    assert fast["why_not"] is None and fast["batches"]["7"]["difference"] < 1e-3
