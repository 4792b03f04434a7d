"""Exports that need a compiler: SOFIE's C++, and the examples in C++."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from caloforge.deployment.export import export
from caloforge.deployment.graph import generation_module
from caloforge.deployment.lack import Lack
from caloforge.deployment.runtimes import Graph, sofie
from caloforge.deployment.runtimes.sofie import Sofie
from caloforge.models.pretrained import pretrained

pytestmark = pytest.mark.compiler
EXAMPLE = Path(__file__).parents[2] / "examples" / "cpp"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The autoencoder as SOFIE's C++."""
    return export(pretrained()["calogan-vae"], "sofie", tmp_path_factory.mktemp("sofie") / "out", showers=50).folder


def test_sofie(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {"export.json", "model.safetensors", "model.hxx", "model.onnx"}


def test_sofie_at_full_optimisation(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sofie, "FLAGS", (*sofie.FLAGS, "-O3", "-march=native"))
    module = generation_module(pretrained()["calogan-vae"])
    inputs = module.example(100, seed=1)
    found = Sofie().open(exported)({name: value.numpy() for name, value in inputs.items()})[0]
    with torch.no_grad():
        expected = module(*inputs.values()).numpy()
    assert np.abs(found - expected).max(1) == pytest.approx(0, abs=1e-5 * float(expected.max()))


def test_operators_that_sofie_lacks_are_named_with_their_place() -> None:
    helper = onnx.helper
    ends = [helper.make_tensor_value_info(name, kind, [3, 4]) for name, kind in (("x", 1), ("i", 7), ("y", 1))]
    nodes = [
        helper.make_node("GatherElements", ["x", "i"], ["z"], name="factors.voxels/GatherElements_1"),
        helper.make_node("Relu", ["z"], ["y"], name="factors.voxels/Relu_2"),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:2], ends[2:]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    graph = Graph(nn.Identity(), {})
    graph.__dict__["onnx"] = model
    assert Sofie().lacking(graph) == [Lack("GatherElements", "factors.voxels/GatherElements_1")]


def test_the_folder_says_which_root_reads_it(exported: Path) -> None:
    told = json.loads((exported / "export.json").read_text())
    assert told["minimum_root"] == "6.42"
    assert "not_known_to_root" not in told


def test_a_release_of_root_that_has_all_is_written(tmp_path: Path) -> None:
    done = export(pretrained()["calogan-vae"], "sofie", tmp_path / "out", target="root=6.42.00", showers=20)
    assert "model.hxx" in done.files


def _printed(*command: object) -> list[tuple[int, float]]:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    pairs = (line.split() for line in done.stdout.splitlines())
    return [(int(voxel), float(energy)) for voxel, energy in pairs]


def test_the_example_prints_the_same_shower(exported: Path, tmp_path: Path) -> None:
    import onnxruntime
    import scipy_openblas32

    runtime = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    blas = next(Path(scipy_openblas32.get_lib_dir()).glob("libscipy_openblas*.so"))
    inputs, build = tmp_path / "inputs.txt", tmp_path / "build"
    python = _printed(sys.executable, EXAMPLE / "make_inputs.py", "calogan-vae", 50000, inputs)
    settings = [f"-DONNXRUNTIME_LIBRARY={runtime}", f"-DSOFIE_MODEL={exported}", f"-DBLAS_LIBRARY={blas}"]
    subprocess.run(["cmake", "-S", EXAMPLE, "-B", build, "-DBLAS_PREFIX=scipy_", *settings], check=True)
    subprocess.run(["cmake", "--build", build], check=True)
    assert len(python) > 50
    for program, model in (("shower_onnx", "model.onnx"), ("shower_sofie", "model.safetensors")):
        found = _printed(build / program, exported / model, inputs)
        assert [voxel for voxel, _ in found] == [voxel for voxel, _ in python]
        assert [energy for _, energy in found] == pytest.approx([energy for _, energy in python], rel=2e-3)
    wrong = subprocess.run(
        [build / "shower_onnx", exported / "model.onnx", tmp_path / "none"], capture_output=True, text=True
    )
    assert wrong.returncode == 1
    assert "make_inputs.py" in wrong.stderr
