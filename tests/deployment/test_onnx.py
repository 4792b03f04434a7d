"""Generation graphs as ONNX, run by ONNX Runtime, against the shower models themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from caloforge.deployment.graph import ENERGY, About, GenerationModule, WithBlocks, generation_module
from caloforge.deployment.onnx_file import export_onnx
from caloforge.detectors import CartesianLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Noise
from caloforge.models.build import build
from caloforge.models.pretrained import pretrained
from caloforge.models.shower_model import ShowerModel

EDGES = (-30.0, -10.0, 10.0, 30.0)
DETECTOR = Detector(
    "tiny",
    (CartesianLayer("front", EDGES, EDGES, 0.0, 50.0), CartesianLayer("back", EDGES, EDGES, 50.0, 100.0)),
    threshold_mev=1e-2,
)
FLOWS = {"energies": {"blocks": 1, "hidden": 8, "bins": 4}, "voxels": {"blocks": 2, "hidden": 12, "bins": 4}}
TRANSFORMER = {"patches": [1, 3, 3], "width": 16, "depth": 1, "heads": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "teacher": {
        "family": "caloflow",
        "energies": {**FLOWS["energies"], "direction": "inverse"},
        "voxels": {"blocks": 1, "hidden": 4, "bins": 3},
    },
    "shares": {
        "family": "caloflow",
        "energies": FLOWS["energies"],
        "voxels": {**FLOWS["voxels"], "direction": "inverse"},
        "voxel_space": "shares",
    },
    "student": {
        "family": "caloflow",
        "energies": {**FLOWS["energies"], "direction": "inverse"},
        "voxels": {**FLOWS["voxels"], "direction": "inverse"},
        "voxel_space": "energies",
    },
    "vae": {"family": "vae", "shower": {"latent": 3, "encoder": [8], "decoder": [8], "components": 2}},
    "par04": {"family": "vae", "shower": {"latent": 3, "encoder": [8], "decoder": [8]}, "voxel_space": "incident"},
    "vae-given-energies": {
        "family": "vae-given-energies",
        "energies": FLOWS["energies"],
        "voxels": {"latent": 3, "encoder": [8], "decoder": [8]},
    },
    "flow-matching": {
        "family": "flow-matching",
        "energies": FLOWS["energies"],
        "voxels": TRANSFORMER,
        "voxel_space": "energies",
        "field": {"solver": "heun", "steps": 1},
    },
    "one-step": {
        "family": "flow-matching-one-step",
        "shower": TRANSFORMER,
        "field": {"solver": "rk4", "steps": 1, "path": "variance-preserving", "prediction": "data"},
    },
}


def fitted(settings: dict[str, Any]) -> ShowerModel:
    """A model with random weights, fitted to random showers."""
    torch.manual_seed(0)
    model = build(settings, DETECTOR)
    generator = torch.Generator().manual_seed(1)
    energy = 1e3 + 9e3 * torch.rand(300, generator=generator)
    shares = torch.rand(300, DETECTOR.n_voxels, generator=generator) ** 4
    model.fit(energy, 0.9 * energy[:, None] * shares / shares.sum(1, keepdim=True))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def graph(settings: dict[str, Any], **named: Any) -> tuple[ShowerModel, GenerationModule]:
    """A model and its generation as a module."""
    model = fitted(settings)
    return model, GenerationModule(model, About(DETECTOR, (1e3, 1e4)), **named)


def run(path: Path, inputs: Mapping[str, Tensor]) -> list[np.ndarray]:
    """Results of ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {name: value.numpy() for name, value in inputs.items()})


def generated(model: ShowerModel, inputs: Mapping[str, Tensor]) -> np.ndarray:
    """Deposits of the model itself."""
    noise = {name: value for name, value in inputs.items() if name != ENERGY}
    with torch.no_grad():
        return model.decode(noise, {ENERGY: inputs[ENERGY].reshape(-1)}).numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_what_the_model_gives(family: str, tmp_path: Path) -> None:
    model, module = graph(FAMILIES[family])
    path = export_onnx(module, module.example(3), tmp_path / "model.onnx")
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert not kinds & {"Shape", "Expand", "ConstantOfShape", "GatherElements", "NonZero", "Loop"}
    for batch in (1, 7):
        inputs = module.example(batch, seed=batch)
        expected = generated(model, inputs)
        assert expected.any()
        found = run(path, inputs)[0]
        assert found.shape == (batch, DETECTOR.n_voxels)
        off = np.abs(found - expected) / inputs[ENERGY].numpy()
        assert np.quantile(off, 0.9) < 1e-6
        assert off.max() < 1e-4


def test_the_student_that_comes_along(tmp_path: Path) -> None:
    module = generation_module(pretrained()["calogan-student"])
    path = export_onnx(module, module.example(3), tmp_path / "student.onnx")
    inputs = module.example(50, seed=1)
    with torch.no_grad():
        expected = module(*inputs.values()).numpy()
    off = np.abs(run(path, inputs)[0] - expected) / inputs[ENERGY].numpy()
    assert np.quantile(off, 0.999) < 5e-7
    assert off.max() < 1e-5


def test_what_a_file_tells_and_refuses(tmp_path: Path) -> None:
    _, module = graph(FAMILIES["vae"])
    path = export_onnx(module, module.example(2), tmp_path / "model.onnx")
    model = onnx.load(path)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(told["incident_range_mev"]) == [1000.0, 10000.0]
    assert json.loads(told["units"]) == {ENERGY: "MeV", "deposits_mev": "MeV"}
    assert json.loads(told["noise"])["shower.voxels.choice"] == {"shape": [18], "law": "uniform"}
    assert told["detector_fingerprint"] == DETECTOR.fingerprint()
    assert [entry.name for entry in model.graph.input] == list(module.inputs)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert model.opset_import[0].version == 17
    with pytest.raises(Exception, match=r"shower\.z"):
        run(path, {**module.example(2), "shower.z": torch.zeros(2, 5)})


def test_blocks_have_names_in_their_order() -> None:
    _, module = graph(FAMILIES["flow-matching"])
    blocks = WithBlocks(module)
    with torch.no_grad():
        found = blocks(*module.example(2).values())
    assert len(found) == len(blocks.names) + 1
    assert blocks.names[0] == "factors.energies.context"
    assert blocks.names[-1] == "factors.voxels.deposits_mev"
    assert len(set(blocks.names)) == len(blocks.names)


def test_a_long_walk_is_refused_by_name() -> None:
    with pytest.raises(CaloforgeError, match=r"factors\.voxels\.model' is a masked flow.*FastShowers"):
        generation_module(pretrained()["calogan-teacher"])


def test_an_adaptive_solver_is_refused_by_name() -> None:
    settings = {**FAMILIES["flow-matching"], "field": {"solver": "dopri5"}}
    with pytest.raises(CaloforgeError, match=r"factors\.voxels\.model.*Dopri5.*--solver heun"):
        graph(settings)


def test_noise_without_a_fixed_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(FAMILIES["student"])
    monkeypatch.setattr(model, "noise", lambda: {"z": Noise((-1, 3))})
    with pytest.raises(CaloforgeError, match=r"'z' has the shape \(-1, 3\).*fixed size"):
        GenerationModule(model, About(DETECTOR, (1e3, 1e4)))


class _Odd(nn.Module):
    """Something that ONNX has no words for here."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.i0(self.inner(x)) + torch.fft.fft(x).real


def test_unknown_operators_are_named(tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match=r"special_i0.*fft.*--to torch"):
        export_onnx(_Odd(), {"x": torch.zeros(2, 3)}, tmp_path / "odd.onnx", ["y"])
    assert not list(tmp_path.iterdir())


def test_opsets_out_of_reach_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match="opset is 9; give one from 13 to 17"):
        export_onnx(nn.Linear(3, 3), {"x": torch.zeros(2, 3)}, tmp_path / "odd.onnx", ["y"], opset=9)
