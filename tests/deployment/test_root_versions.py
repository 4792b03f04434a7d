"""Which release of ROOT reads which operators: the table, and what `--target root=` says before anything is written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

import caloforge.deployment.onnx_graph as onnx_graph
import caloforge.deployment.onnx_operators as onnx_operators
from caloforge.deployment.export import export
from caloforge.deployment.graph import generation_module
from caloforge.deployment.lack import Lack
from caloforge.deployment.onnx_file import onnx_model
from caloforge.deployment.root_versions import FIRST, lacking_in_root, minimum_root, root_version
from caloforge.deployment.runtimes import Graph
from caloforge.deployment.runtimes.sofie import Sofie
from caloforge.errors import CaloforgeError
from caloforge.models.pretrained import pretrained

VAE = pretrained()["calogan-vae"]


def _model(*kinds: str, batch: int | str = 1) -> Any:
    """A chain of operators of one input x (batch, 4)."""
    helper = onnx.helper
    names = ["x", *(f"t{number}" for number in range(len(kinds)))]
    nodes = [
        helper.make_node(kind, [names[i]], [names[i + 1]], name=f"factors.voxels/{kind}_{i}")
        for i, kind in enumerate(kinds)
    ]
    ends = [helper.make_tensor_value_info(name, 1, [batch, 4]) for name in (names[0], names[-1])]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:]))


def test_nodes_that_a_release_lacks_are_named_with_the_first_that_has_them() -> None:
    model = _model("Relu", "Log", "Abs", "Softplus", "Relu")
    log = Lack("Log", "factors.voxels/Log_1", "first known in ROOT 6.30")
    absolute = Lack("Abs", "factors.voxels/Abs_2", "first known in ROOT 6.36")
    softplus = Lack("Softplus", "factors.voxels/Softplus_3", "first known in ROOT 6.40")
    assert lacking_in_root(model, (6, 28)) == [log, absolute, softplus]
    assert lacking_in_root(model, (6, 34)) == [absolute, softplus]
    assert lacking_in_root(model, (6, 38)) == [softplus]
    assert lacking_in_root(model, (6, 40)) == []
    assert minimum_root(model) == ("6.40", [])


def test_a_batch_of_any_size_needs_a_release_that_can() -> None:
    model = _model("Relu", batch="showers")
    assert lacking_in_root(model, (6, 32)) == [Lack("a batch of any size", "x", "first in ROOT 6.34")]
    assert lacking_in_root(model, (6, 34)) == []
    assert minimum_root(model) == ("6.34", [])
    assert minimum_root(_model("Relu")) == ("6.28", [])


def test_an_operator_of_no_known_release_is_named_at_every_release() -> None:
    model = _model("Relu", "RandomNormal")
    lack = Lack("RandomNormal", "factors.voxels/RandomNormal_1", "not known to be in any release of ROOT")
    assert lacking_in_root(model, (7, 2)) == [lack]
    assert minimum_root(model) == (None, ["RandomNormal"])
    graph = Graph(onnx_graph.nn.Identity(), {})
    graph.__dict__["onnx"] = model
    assert Sofie().facts(graph) == {"minimum_root": None, "not_known_to_root": ["RandomNormal"]}


def test_the_table_has_every_operator_that_exports_use() -> None:
    written = "".join(Path(str(module.__file__)).read_text() for module in (onnx_operators, onnx_graph))
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    used = {word for word in re.findall(r'"([A-Z][A-Za-z]+)"', written) if word in known}
    assert {"Gemm", "Softplus", "ReduceMax", "GreaterOrEqual", "Identity"} <= used
    assert used - set(FIRST) == {"RandomNormal", "RandomUniform"}


def test_a_model_that_comes_along_says_its_release() -> None:
    module = generation_module(VAE)
    assert minimum_root(onnx_model(module, module.example(3))) == ("6.42", [])


@pytest.mark.parametrize(
    ("text", "version"), [("6.36", (6, 36)), ("6.36.04", (6, 36)), ("6.28/04", (6, 28)), ("7.0", (7, 0))]
)
def test_versions(text: str, version: tuple[int, int]) -> None:
    assert root_version(text) == version


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOFIE as if it and g++ were installed: what a release of ROOT lacks needs neither."""
    monkeypatch.setattr(Sofie, "packages", ("onnx",))
    monkeypatch.setattr(shutil, "which", lambda name: name)


@pytest.mark.usefixtures("anywhere")
@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("root=new", "root=new is no version; give one like root=6.36"),
        ("root=6", "root=6 is no version"),
        ("root=6.24", "ROOT 6.24 has no SOFIE, which came with 6.26"),
        ("ort=1.17", "ort=1.17 does not fit --to sofie"),
    ],
)
def test_bad_versions_are_said_in_a_sentence(target: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match=sentence):
        export(VAE, "sofie", tmp_path / "out", target=target)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("anywhere")
def test_every_node_is_listed_before_anything_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Sofie, "write", lambda *_: pytest.fail("written before the nodes were looked over"))
    module = generation_module(VAE)
    nodes = onnx_model(module, module.example(3)).graph.node
    with pytest.raises(CaloforgeError) as error:
        export(VAE, "sofie", tmp_path / "out", target="root=6.38")
    said = str(error.value)
    lacking = [node.name for node in nodes if node.op_type in ("Softplus", "ReduceMax")]
    assert f"root=6.38 lacks {len(lacking)} nodes of the model: " in said
    assert "Softplus (first known in ROOT 6.40): " in said and "ReduceMax (first known in ROOT 6.42): " in said
    assert set(re.findall(r"[\w.]+/\w+_\d+", said)) == set(lacking)
    assert not list(tmp_path.iterdir())


def test_the_page_has_the_same_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)\.(\d+) \| ([^|]+)\|", page, re.MULTILINE)
    told = {kind: (int(a), int(b)) for a, b, kinds in rows for kind in re.findall(r"`(\w+)`", kinds)}
    assert told == {kind: first for kind, first in FIRST.items() if kind in told}
    assert set(FIRST) - set(told) == {"Elu", "Flatten", "LeakyRelu", "Sum"}  # exports use none of them
