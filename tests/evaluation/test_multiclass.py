"""The log posterior of several files over Geant4's showers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from caloforge.errors import CaloforgeError
from caloforge.evaluation.multiclass import MulticlassSettings, multiclass

SMALL = MulticlassSettings(hidden=32, epochs=15, batch=100, learning_rate=3e-3)


def normal(n: int, seed: int, shift: float) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, 4)) + np.array([shift, 0, 0, 0])
    return np.concatenate([x, np.full((n, 1), 3.0)], axis=1)


def test_the_closest_file_has_the_highest_value() -> None:
    files = {"near": normal(900, 1, 0.2), "far": normal(800, 2, 1.5), "other side": normal(1000, 3, -1.5)}
    before = torch.get_rng_state()
    found = multiclass(normal(500, 4, 0.0), files, SMALL, seeds=2)
    assert torch.equal(before, torch.get_rng_state())
    assert found.labels == tuple(files) and found.n == 800 and found.n_reference == 500
    assert max(files, key=lambda name: found.log_posterior[name][0]) == "near"
    x = normal(500, 4, 0.0)[:, 0]
    logs = np.stack([-0.5 * (x - shift) ** 2 for shift in (0.2, 1.5, -1.5)])
    exact = (logs - np.log(np.exp(logs).sum(axis=0))).mean(axis=1)
    for name, value in zip(files, exact, strict=True):
        assert found.log_posterior[name][0] == pytest.approx(value, abs=0.15)
        assert 0 < found.log_posterior[name][1] < 0.2
    assert 0.55 < found.accuracy < 0.9
    assert json.dumps(found.as_dict(), allow_nan=False)


def test_files_that_are_the_same_are_uniform_and_equal_seeds_give_equal_numbers() -> None:
    files = {name: normal(600, seed, 0.0) for name, seed in (("a", 1), ("b", 2))}
    one, two = (multiclass(normal(300, 3, 0.0), files, SMALL, seed=5, seeds=1) for _ in range(2))
    assert one == two and one.uniform == pytest.approx(-math.log(2))
    assert all(value == pytest.approx(one.uniform, abs=0.06) for value, _ in one.log_posterior.values())


def test_what_cannot_be_told_apart_is_said() -> None:
    reference, files = normal(50, 1, 0.0), {"a": normal(50, 2, 0.0), "b": normal(5, 3, 0.0)}
    with pytest.raises(CaloforgeError, match=r"asked of 1 file\(s\)"):
        multiclass(reference, {"a": files["a"]}, SMALL)
    with pytest.raises(CaloforgeError, match="smallest generated file has 5 showers"):
        multiclass(reference, files, SMALL)
    files["a"][3, 0] = np.nan
    with pytest.raises(CaloforgeError, match="In 'a': The generated features of shower 3 are not finite"):
        multiclass(reference, files, SMALL)
    with pytest.raises(CaloforgeError, match="cannot be trained"):
        MulticlassSettings(held_out=1.0)
