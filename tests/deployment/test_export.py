"""`caloforge export` as a whole: written, run, compared; and all that stops it before anything is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from torch import nn
from typer.testing import CliRunner

from caloforge.cli.app import app
from caloforge.deployment.agreement import agreement, first_difference
from caloforge.deployment.export import export
from caloforge.deployment.folder import new_folder
from caloforge.deployment.lack import Lack
from caloforge.deployment.runtimes import RUNTIMES, Graph
from caloforge.deployment.runtimes.onnx_runtime import OnnxRuntime, newer_nodes
from caloforge.errors import CaloforgeError
from caloforge.models.pretrained import pretrained

VAE = pretrained()["calogan-vae"]


def test_the_command_writes_what_the_model_generates(tmp_path: Path) -> None:
    out = tmp_path / "vae"
    result = CliRunner().invoke(app, ["export", "calogan-vae", "--to", "onnx", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "export.json, model.onnx" in result.output
    told = json.loads((out / "export.json").read_text())
    assert told["recipe"] == "vae-calogan-small"
    assert told["check"]["runtime"][3] < 1e-6
    assert sorted(os.listdir(tmp_path)) == ["vae"]


@pytest.mark.parametrize("to", ["openvino", "torch"])
def test_other_runtimes(to: str, tmp_path: Path) -> None:
    done = export(VAE, to, tmp_path / to, showers=40)
    assert done.agreement.good
    assert {"openvino": "model.xml", "torch": "model.pt2"}[to] in done.files


@pytest.mark.parametrize("precision", ["float16", "bf16"])
def test_weights_of_less_precision_take_half_the_room(precision: str, tmp_path: Path) -> None:
    done = export(VAE, "onnx", tmp_path / precision, precision=precision, showers=40)
    assert done.agreement.good
    assert (done.folder / "model.onnx").stat().st_size < 0.9e6  # 1.68e6 in float32
    kinds = {node.op_type for node in onnx.load(done.folder / "model.onnx").graph.node}
    assert "Cast" in kinds


def test_openvino_computes_in_bfloat16_where_the_processor_does(tmp_path: Path) -> None:
    """On a processor without bfloat16 the same command says so."""
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(CaloforgeError, match="needs a processor that computes in bfloat16"):
            export(VAE, "openvino", tmp_path / "out", precision="bf16", showers=40)
        assert not list(tmp_path.iterdir())
        return
    done = export(VAE, "openvino", tmp_path / "out", precision="bf16", showers=40)
    told = json.loads((done.folder / "export.json").read_text())
    assert told["precision"] == "bf16"
    assert told["compile_with"] == {"INFERENCE_PRECISION_HINT": "bf16"}
    # Really computed in it: a hundred times and more further from float64 than PyTorch in float32 is.
    assert done.agreement.runtime[3] > 100 * done.agreement.pytorch[3]
    assert told["check"]["energy_over_float64"]["mean"] == pytest.approx(1, abs=2e-3)
    assert told["check"]["energy_over_float64"]["mean"] != pytest.approx(1, abs=1e-6)


def test_a_processor_without_bfloat16_is_told_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("caloforge.deployment.runtimes.openvino.capabilities", lambda: ["FP32"])
    with pytest.raises(CaloforgeError, match="needs a processor that computes in bfloat16"):
        export("no-such-checkpoint", "openvino", tmp_path / "out", precision="bf16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"to": "openvino", "precision": "float16"},
            "float16 is not known to --to openvino; give one of float32, bf16",
        ),
        ({"to": "torch", "precision": "bf16"}, "bf16 is not known to --to torch; give one of float32"),
        ({"target": "ort=1.5"}, r"1\.5 has no opset that caloforge writes \(13 to 17\).*1\.6"),
        ({"target": "ort=new"}, "ort=new is no version; give one like ort=1.17"),
        ({"target": "root=6.30"}, "root=6.30 does not fit --to onnx"),
        ({"precision": "int8"}, "--precision int8 is not known to --to onnx; give one of float32, float16, bf16"),
        ({"contract": "par04-vea"}, "no contract.*Did you mean 'par04-vae'"),
        ({"contract": "par04-vae"}, "equal cylindrical layers, which detector 'calogan' does not have"),
        ({"contract": "ddml"}, "detector 'calogan' does not have"),
        ({"to": "onx"}, "'onx' is no runtime.*Did you mean 'onnx'"),
    ],
)
def test_bad_input_is_said_in_a_sentence(settings: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    given = {"to": "onnx", **settings}
    with pytest.raises(CaloforgeError, match=sentence):
        export(VAE, given.pop("to"), tmp_path / "out", **given)
    assert not list(tmp_path.iterdir())


def test_a_missing_runtime_names_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(OnnxRuntime, "packages", ("onnx", "no_such_runtime"))
    with pytest.raises(CaloforgeError, match=r"no_such_runtime, which is not installed.*caloforge\[onnx\]"):
        export(VAE, "onnx", tmp_path / "out")


def test_a_missing_backend_of_keras_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "no_such_backend")
    monkeypatch.setattr(RUNTIMES["keras"], "packages", ("onnx",))
    with pytest.raises(CaloforgeError, match=r"no_such_backend, which is not installed.*caloforge\[keras\]"):
        export(VAE, "keras", tmp_path / "out")


def test_a_command_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from caloforge.cli.app import app\n"
        "from caloforge.deployment.runtimes.onnx_runtime import OnnxRuntime\n"
        "OnnxRuntime.write = lambda self, graph, folder: os.kill(os.getpid(), signal.SIGTERM)\n"
        f"app(['export', 'calogan-vae', '--to', 'onnx', '--out', {str(tmp_path / 'out')!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode not in (0, 2) and "Traceback" not in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_openvino_tells_the_same_as_onnx(tmp_path: Path) -> None:
    import openvino

    done = export(VAE, "openvino", tmp_path / "out", showers=10)
    model = openvino.Core().read_model(tmp_path / "out" / "model.xml")
    low, high = json.loads(model.get_rt_info(["caloforge", "incident_range_mev"]).astype(str))
    assert [low, high] == done.metadata["incident_range_mev"]
    assert json.loads(model.get_rt_info(["caloforge", "noise"]).astype(str)) == done.metadata["noise"]


def test_a_folder_that_exists_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match="exists; choose another folder"):
        export(VAE, "onnx", tmp_path)


def test_a_folder_in_use_is_refused_and_one_left_behind_is_not(tmp_path: Path) -> None:
    busy = pytest.raises(CaloforgeError, match=f"written by process {os.getpid()}")
    with new_folder(tmp_path / "out"), busy, new_folder(tmp_path / "out"):
        pass
    left = tmp_path / ".out2.part"
    left.mkdir()
    (left / "writer.pid").write_text("999999999\n")
    with new_folder(tmp_path / "out2") as folder:
        (folder / "file").touch()
    assert sorted(os.listdir(tmp_path)) == ["out", "out2"]
    assert os.listdir(tmp_path / "out2") == ["file"]


class _Wrong(OnnxRuntime):
    """A runtime that gets the bias of one layer wrong."""

    def write(self, graph: Graph, folder: Path) -> None:
        super().write(graph, folder)
        model = onnx.load(folder / self.file)
        node = next(node for node in model.graph.node if "decoder.layers.3/Gemm" in node.name)
        stored = next(one for one in model.graph.initializer if one.name == node.input[2])
        stored.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(stored) + 0.3, stored.name))
        onnx.save(model, folder / self.file)


def test_a_mismatch_writes_nothing_and_names_the_block(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(RUNTIMES._entries, "wrong", _Wrong)
    with pytest.raises(CaloforgeError, match=r"first in block '.*decoder\.layers\.3'.*nothing was written"):
        export(VAE, "wrong", tmp_path / "out", showers=40)
    assert not list(tmp_path.iterdir())


def test_nodes_that_a_version_lacks_are_listed_with_their_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    helper = onnx.helper
    nodes = [
        helper.make_node("Gelu", ["x"], ["y"], name="factors.voxels/Gelu_1"),
        helper.make_node("Relu", ["y"], ["z"], name="factors.voxels/Relu_2"),
    ]
    graph = helper.make_graph(nodes, "two", [], [])
    newer = newer_nodes(helper.make_model(graph), 17)
    assert newer == [Lack("Gelu", "factors.voxels/Gelu_1", "since opset 20")]
    monkeypatch.setattr(OnnxRuntime, "lacking", lambda self, graph: newer)
    with pytest.raises(
        CaloforgeError, match=r"ort=1.17 lacks 1 node of the model: Gelu \(since opset 20\): factors.voxels/Gelu_1;"
    ):
        export(VAE, "onnx", tmp_path / "out", target="ort=1.17")
    assert not list(tmp_path.iterdir())


def test_agreement_is_measured_against_float64() -> None:
    exact = np.random.default_rng(0).random((20, 30))
    own = exact * (1 + 1e-7)
    assert agreement(own, own, exact).good
    assert not agreement(exact * (1 + 1e-4), own, exact).good
    assert not agreement(exact[:, :29], own, exact).good
    broken = exact.copy()
    broken[3, 4] = np.nan
    assert not agreement(broken, own, exact).good
    assert agreement(1.01 * exact, own, exact).energy == pytest.approx((1.01, 0.0))
    # In bfloat16: 1/32 of what voxels hold at a quantile, and a tenth of a shower in a single voxel.
    assert not agreement(1.02 * exact, own, exact).good
    assert agreement(1.02 * exact, own, exact, "bf16").good
    assert not agreement(1.05 * exact, own, exact, "bf16").good
    one = exact.copy()
    one[3, 4] += 0.2 * exact[3].sum()
    assert not agreement(one, own, exact, "bf16").good
    assert first_difference(["a"], [1.01 * exact], [exact], [exact], "bf16") is None
    assert first_difference(["a"], [1.01 * exact], [exact], [exact]) == "a"
    # No limit is lenient because PyTorch itself is far off.
    assert agreement(exact, exact * 3, exact).limits[0] == 1e-2
    blocks = [exact, exact + 1, exact]
    assert first_difference(["a", "b", "c"], blocks, [exact] * 3, [exact] * 3) == "b"
    assert first_difference(["a"], [own], [own], [exact]) is None


def test_an_older_version_gets_an_older_opset_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    first, second = (export(VAE, "onnx", tmp_path / name, target="ort=1.7", showers=20) for name in ("a", "b"))
    assert onnx.load(first.folder / "model.onnx").opset_import[0].version == 13
    assert (first.folder / "model.onnx").read_bytes() == (second.folder / "model.onnx").read_bytes()
    assert first.metadata == second.metadata


def test_what_openvino_refuses_is_said(tmp_path: Path) -> None:
    helper = onnx.helper
    ends = [helper.make_tensor_value_info(name, 1, [3, 4]) for name in ("x", "y")]
    nodes = [helper.make_node("NoSuchThing", ["x"], ["y"], domain="odd")]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("odd", 1)]
    graph = Graph(nn.Identity(), {})
    graph.__dict__["onnx"] = helper.make_model(
        helper.make_graph(nodes, "odd", ends[:1], ends[1:]), opset_imports=imports, ir_version=8
    )
    with pytest.raises(CaloforgeError, match=r"OpenVINO could not take the model \(.*NoSuchThing\)"):
        RUNTIMES["openvino"]().write(graph, tmp_path)
