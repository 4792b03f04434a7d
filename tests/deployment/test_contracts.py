"""The C++ side's part, played in Python: Par04's and DDML's inference and hit making, line by line as they do it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from scipy.special import ndtri

from caloforge.deployment.contracts import CONTRACTS, signed_to_normal
from caloforge.deployment.export import export
from caloforge.detectors import CartesianLayer, CylindricalLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.models.build import build
from caloforge.models.checkpoint import load_checkpoint, save_checkpoint
from caloforge.models.recipe import parse_recipe

N_Z, N_PHI, N_R, CELL_R = 3, 4, 2, 4.65
RINGS = Detector(
    "rings",
    tuple(
        CylindricalLayer(f"layer-{i}", (0.0, CELL_R, 2 * CELL_R), N_PHI, 10.0 * i, 10.0 * i + 10) for i in range(N_Z)
    ),
    threshold_mev=1e-2,
)
X, Y = (-10.0, -5.0, 0.0, 5.0, 10.0), (-5.0, 0.0, 5.0)
GRID = Detector(
    "grid", tuple(CartesianLayer(f"layer-{i}", X, Y, 10.0 * i, 10.0 * i + 10) for i in range(N_Z)), threshold_mev=1e-2
)
RECIPE = """\
schema: 1
name: tiny
detector: calogan
model: {family: vae, shower: {latent: 4, encoder: [8], decoder: [16]}}
stages:
  - name: shower
    factor: shower
    objective: evidence-bound
"""


def _checkpoint(folder: Path, detector: Detector) -> Path:
    """An untrained model whose weights make showers differ, as a checkpoint."""
    recipe = parse_recipe(RECIPE, "tiny.yaml")
    torch.manual_seed(0)
    model = build(recipe.model, detector)
    generator = torch.Generator().manual_seed(1)
    energy = 1e3 + 9e3 * torch.rand(300, generator=generator)
    shares = torch.rand(300, detector.n_voxels, generator=generator) ** 2
    shares = shares * torch.linspace(0.1, 1.0, detector.n_voxels) ** 2
    model.fit(energy, 0.9 * energy[:, None] * shares / shares.sum(1, keepdim=True))
    save_checkpoint(folder, model, recipe, {"stage": "shower", "incident_range_mev": [1e3, 1e4]})
    return folder


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of rings about the axis."""
    return _checkpoint(tmp_path_factory.mktemp("rings"), RINGS)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of rows and columns."""
    return _checkpoint(tmp_path_factory.mktemp("grid"), GRID)


class Inference:
    """Par04OnnxInference and DDML's ONNXInference: one thread, no optimisation of the graph, inputs by position."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.names = [entry.name for entry in self.session.get_inputs()]

    def run(self, inputs: list[list[float]], dims: list[tuple[int, ...]]) -> list[float]:
        """The flat first output."""
        tensors = [np.array(one, np.float32).reshape(dim) for one, dim in zip(inputs, dims, strict=True)]
        assert len(tensors) == len(self.names)
        out: list[float] = self.session.run(None, dict(zip(self.names, tensors, strict=True)))[0].reshape(-1).tolist()
        return out


def _direct(folder: Path, energy_mev: float, numbers: np.ndarray) -> np.ndarray:
    """What the model itself makes of standard normal numbers (n, latent), cut in the order of its noise."""
    model = load_checkpoint(folder)[0]
    noise, begin = {}, 0
    for name, law in model.noise().items():
        part = torch.from_numpy(numbers[:, begin : begin + math.prod(law.shape)])
        noise[name] = (part if law.law == "normal" else torch.special.ndtr(part)).float().reshape(-1, *law.shape)
        begin += math.prod(law.shape)
    with torch.no_grad():
        deposits = model.decode(noise, {"incident_energy_mev": torch.full((len(numbers),), energy_mev)})
    return deposits.double().numpy()


def _latent(folder: Path) -> int:
    return sum(math.prod(law.shape) for law in load_checkpoint(folder)[0].noise().values())


def _hits_r_phi_z(energies: list[float], start: float) -> list[tuple[float, float, int, float]]:
    """(x, y, layer, MeV) as Par04 makes hits: R slowest, Z fastest, centres of cells."""
    hits, index = [], 0
    for i in range(N_R):
        rho = (i + 0.5) * CELL_R
        for j in range(N_PHI):
            phi = (j + 0.5) * 2 * math.pi / N_PHI + start
            for layer in range(N_Z):
                if energies[index] > 0:
                    hits.append((rho * math.cos(phi), rho * math.sin(phi), layer, energies[index]))
                index += 1
    assert index == len(energies)
    return hits


def _expected_hits(detector: Detector, deposits: np.ndarray) -> list[tuple[float, float, int, float]]:
    hits = []
    for number, (layer, where) in enumerate(zip(detector.layers, detector.slices, strict=True)):
        hits += [
            (float(x), float(y), number, float(e))
            for x, y, e in zip(layer.x_mm, layer.y_mm, deposits[where], strict=True)
            if e > 0
        ]
    return hits


def _same_hits(found: list[tuple[float, float, int, float]], expected: list[tuple[float, float, int, float]]) -> None:
    assert len(found) == len(expected) > 5
    order: Any = lambda hit: (hit[2], round(hit[0], 3), round(hit[1], 3))  # noqa: E731
    np.testing.assert_allclose(sorted(found, key=order), sorted(expected, key=order), rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize(("contract", "start"), [("par04-vae", -math.pi), ("ddml", 0.0)])
def test_par04_autoencoder(contract: str, start: float, rings: Path, tmp_path: Path) -> None:
    done = export(rings, "onnx", tmp_path / "out", contract=contract, showers=20)
    latent_size, energy, theta = done.metadata["latent_size"], 5000.0, 0.0
    inference = Inference(tmp_path / "out" / "model.onnx")
    latent = np.random.default_rng(0).standard_normal(latent_size)
    values = [*latent, energy / 1024000.0, theta / 90.0, 0.0, 1.0]
    output = inference.run([values], [(1, latent_size + 4)])
    hits = _hits_r_phi_z([share * energy for share in output], start)
    _same_hits(hits, _expected_hits(RINGS, _direct(rings, energy, latent[None])[0]))


def test_par04_diffusion_draws_inside(rings: Path, tmp_path: Path) -> None:
    export(rings, "onnx", tmp_path / "out", contract="par04-dit", showers=20)
    inference = Inference(tmp_path / "out" / "model.onnx")
    energy_gev, phi, theta = 5.0, 0.0, 0.0
    values = [energy_gev, phi, theta, 1.0, 0.0, 0.0, 0.0, 0.0]
    n = 200
    showers = [inference.run([values], [(1, 8)]) for _ in range(n)]
    sums = [sum(hit[3] for hit in _hits_r_phi_z([1000 * e for e in shower], -math.pi)) for shower in showers]
    expected = _direct(rings, 5000.0, np.random.default_rng(0).standard_normal((n, _latent(rings))))
    totals = expected.sum(1)
    error = math.hypot(np.std(sums), np.std(totals)) / math.sqrt(n)
    assert abs(np.mean(sums) - np.mean(totals)) < 5 * error
    assert len(set(sums)) > 0.9 * n
    # The mean shower has the right shape: voxels are not shuffled.
    mean = np.mean(showers, 0).reshape(N_R, N_PHI, N_Z).transpose(2, 1, 0).reshape(-1) * 1000
    assert np.corrcoef(mean, expected.mean(0))[0, 1] > 0.9


def test_ddml_regular_grid(grid: Path, tmp_path: Path) -> None:
    done = export(grid, "onnx", tmp_path / "out", contract="ddml", showers=20)
    latent_size, energy_gev = done.metadata["latent_size"], 5.0
    inference = Inference(tmp_path / "out" / "model.onnx")
    uniform = np.random.default_rng(0).uniform(-1, 1, latent_size).astype(np.float32)
    output = inference.run([uniform.tolist(), [energy_gev]], [(1, latent_size, 1, 1, 1), (1, 1, 1, 1, 1)])
    n_x, n_y, hits, index = len(X) - 1, len(Y) - 1, [], 0
    for layer in range(N_Z):
        for i in range(n_x):
            for j in range(n_y):
                if output[index] > 0:
                    hits.append(((i - n_x // 2 + 0.5) * 5.0, (j - n_y // 2 + 0.5) * 5.0, layer, output[index]))
                index += 1
    assert index == len(output)
    normal = ndtri(0.5 * (1 + uniform.astype(np.float64)))
    _same_hits(hits, _expected_hits(GRID, _direct(grid, 5000.0, normal[None])[0]))


def test_torchscript_for_a_fixed_batch(rings: Path, tmp_path: Path) -> None:
    done = export(rings, "torch", tmp_path / "out", contract="par04-vae", showers=10)
    script = torch.jit.load(tmp_path / "out" / "model.pt")
    given = torch.zeros(1, done.metadata["latent_size"] + 4)
    given[0, -4] = 5000.0 / 1024000.0
    shares = script(given)[0].double().numpy()
    deposits = _direct(rings, 5000.0, np.zeros((1, done.metadata["latent_size"])))[0]
    expected = deposits.reshape(N_Z, N_PHI, N_R).transpose(2, 1, 0).reshape(-1)
    np.testing.assert_allclose(shares * 5000.0, expected, rtol=2e-4, atol=1e-3)


def test_the_inverse_error_function() -> None:
    u = torch.linspace(-0.9999, 0.9999, 4001)
    exact = ndtri(0.5 * (1 + u.double().numpy()))
    np.testing.assert_allclose(signed_to_normal(u).numpy(), exact, rtol=2e-5, atol=1e-6)
    assert torch.isfinite(signed_to_normal(torch.tensor([-1.0, 1.0]))).all()


def test_detectors_that_do_not_fit_are_refused(grid: Path) -> None:
    from caloforge.deployment.graph import generation_module

    module = generation_module(grid)
    for contract in ("par04-vae", "par04-dit"):
        with pytest.raises(CaloforgeError, match=f"--contract {contract} is for equal cylindrical layers"):
            CONTRACTS[contract](module)
