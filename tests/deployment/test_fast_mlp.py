"""FastMLP against torch, for any widths, activations and batches; what does not fit is refused."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from caloforge.deployment.fast import FastMLP
from caloforge.errors import CaloforgeError
from caloforge.nn.mlp import MLP

ACTIVATIONS: list[nn.Module] = [
    nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.SiLU(), nn.Tanh(), nn.Sigmoid(), nn.Softplus(), nn.GELU(),
    nn.GELU(approximate="tanh"), nn.Identity(),
]  # fmt: skip
WIDTHS = [(10, 50, 100, 200, 504), (1, 1), (3, 17, 5), (64, 128, 33), (7, 300, 31, 32, 1)]
BATCHES = [1, 2, 3, 4, 5, 6, 7, 10, 13, 100, 331]


def decoder(widths: tuple[int, ...], activation: nn.Module, last: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        parts += [nn.Linear(inputs, outputs), activation]
    return nn.Sequential(*parts[:-1], last if last is not None else nn.Identity()).eval()


def exact(module: nn.Module, x: np.ndarray) -> np.ndarray:
    """In float64."""
    with torch.no_grad():
        return module.double()(torch.from_numpy(x).double()).float().numpy()


def drawn(n: int, features: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal((n, features), dtype=np.float32) * 2


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_the_same_as_torch(widths: tuple[int, ...], activation: nn.Module) -> None:
    module = decoder(widths, activation, activation)
    fast = FastMLP.pack(module)
    for n in BATCHES:
        x = drawn(n, widths[0])
        np.testing.assert_allclose(fast(x), exact(module, x), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("n", [1000, 10_001])
def test_large_batches_go_in_chunks(n: int) -> None:
    module = decoder((10, 50, 100, 200, 504), nn.ReLU(), nn.Sigmoid())
    fast = FastMLP.pack(module)
    x = drawn(n, 10)
    assert fast.chunk < n
    np.testing.assert_allclose(fast(x), exact(module, x), rtol=1e-5, atol=2e-6)


def test_random_shapes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(25):
        widths = tuple(int(width) for width in rng.integers(1, 150, rng.integers(2, 6)))
        module = decoder(widths, ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))])
        x = drawn(int(rng.integers(1, 40)), widths[0])
        np.testing.assert_allclose(FastMLP.pack(module)(x), exact(module, x), rtol=1e-5, atol=5e-6, err_msg=str(widths))


def test_modules_in_modules_without_biases_and_with_dropout() -> None:
    torch.manual_seed(1)
    perceptron = MLP(6, [20, 30], 11, dropout=0.5).eval()
    module = nn.Sequential(nn.Sequential(nn.Linear(4, 6, bias=False), nn.Dropout(0.3)), nn.ELU(), perceptron).eval()
    x = drawn(9, 4)
    np.testing.assert_allclose(FastMLP.pack(module)(x), exact(module, x), rtol=1e-5, atol=2e-6)


def test_extreme_numbers_stay_what_torch_makes_of_them() -> None:
    for activation in ACTIVATIONS:
        module = nn.Sequential(nn.Linear(1, 40), activation)
        with torch.no_grad():
            module[0].weight.fill_(1.0)
            module[0].bias.zero_()
        x = np.array([[-300.0], [-90.0], [-20.0], [-1e-4], [0.0], [1e-4], [20.0], [90.0], [300.0]], np.float32)
        ours = FastMLP.pack(module)(x)
        np.testing.assert_allclose(ours, exact(module, x), rtol=2e-6, atol=1e-7, err_msg=repr(activation))
        assert np.isnan(FastMLP.pack(module)(np.full((3, 1), np.nan, np.float32))).all()


def test_output_buffers() -> None:
    fast = FastMLP.pack(decoder((5, 20, 33), nn.ReLU()))
    x, out = drawn(12, 5), np.full((14, 33), 7.0, np.float32)
    assert fast(x, out[1:13]).base is out
    np.testing.assert_array_equal(out[1:13], fast(x))
    assert (out[[0, 13]] == 7).all()
    kept = fast.reusing(x)
    np.testing.assert_array_equal(kept, fast(x))
    assert np.shares_memory(kept, fast.reusing(x[:3]))
    assert fast(x[:0]).shape == (0, 33)


def test_what_lies_apart_is_copied() -> None:
    fast = FastMLP.pack(decoder((5, 20, 8), nn.ReLU()))
    wide = drawn(12, 10)
    np.testing.assert_array_equal(fast(wide[:, ::2]), fast(np.ascontiguousarray(wide[:, ::2])))
    np.testing.assert_array_equal(fast(torch.from_numpy(wide)[:, :5]), fast(wide[:, :5].copy()))


@pytest.mark.parametrize(
    ("x", "found"),
    [
        (np.zeros((3, 4), np.float32), r"\(3, 4\)"),
        (np.zeros(5, np.float32), r"\(5,\)"),
        (np.zeros((3, 5)), "float64"),
        (np.float32(1), r"\(\)"),
    ],
)
def test_another_input_is_refused(x: np.ndarray, found: str) -> None:
    with pytest.raises(CaloforgeError, match=rf"x is an array of .*{found}.*\(N, 5\) in float32"):
        FastMLP.pack(decoder((5, 8), nn.ReLU()))(x)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((3, 9), np.float32),
        np.zeros((2, 8), np.float32),
        np.zeros((3, 8)),
        np.zeros((3, 16), np.float32)[:, ::2],
    ],
)
def test_another_output_is_refused(out: np.ndarray) -> None:
    with pytest.raises(CaloforgeError, match=r"out is an array .*\(3, 8\) in float32"):
        FastMLP.pack(decoder((5, 8), nn.ReLU()))(np.zeros((3, 5), np.float32), out)


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), "BatchNorm1d"),
        (nn.Sequential(nn.ReLU(), nn.Linear(3, 4)), "ReLU"),
        (nn.Sequential(nn.Linear(3, 4), nn.Softplus(beta=2)), "Softplus"),
        (nn.Sequential(nn.Dropout(0.1)), "no dense layer"),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(3, 4)), "3 inputs follows one of 4 outputs"),
    ],
)
def test_what_cannot_be_packed_is_named(module: nn.Module, found: str) -> None:
    with pytest.raises(CaloforgeError, match=found):
        FastMLP.pack(module)


def test_several_threads_at_once_and_none_of_its_own() -> None:
    fast = FastMLP.pack(decoder((10, 64, 96), nn.SiLU()))
    inputs = [drawn(400 + i, 10) for i in range(4)]
    expected = [fast(x) for x in inputs]
    found: list[list[np.ndarray]] = [[] for _ in inputs]
    before = threading.active_count()

    def run(i: int) -> None:
        found[i] = [fast(inputs[i]) for _ in range(20)]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert threading.active_count() == before
    for results, wanted in zip(found, expected, strict=True):
        assert len(results) == 20 and all(np.array_equal(result, wanted) for result in results)
