"""One epoch of the CaloChallenge's classifiers on ds2 beside a plain transcription of the official training.

Low level: 6,481 inputs, 2,048 units, 21.7 million parameters, batch 1000; ResNet: batch 50. The transcription follows
the official code: a `DataLoader` over a `TensorDataset`, float64, Adam as torch sets it up. Inputs are random with a
tenth of the voxels hit; nothing depends on their values. One core, in turns, medians. The matrix products alone,
forward and backward in float32, are the bound of the dense network.

    python benchmarks/classifiers.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from harness import Goals, dense_products, quick, seconds, setting, spread
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from caloforge.detectors import preset
from caloforge.evaluation.official import ClassifierSettings, Split, network
from caloforge.evaluation.official.training import fit, prepared

DETECTOR = preset("ds2")
STEPS = 2


def showers(n: int) -> Tensor:
    """Inputs (n, 6481) with a tenth of the voxels hit."""
    rng = np.random.default_rng(0)
    voxels = rng.random((n, 1 + DETECTOR.n_voxels), dtype=np.float32)
    return torch.from_numpy(np.where(voxels < 0.1, voxels, 0.0).astype(np.float32))


def plain(table: Tensor, labels: Tensor, settings: ClassifierSettings) -> Callable[[], None]:
    """One epoch as the official code trains."""
    data = torch.cat([table, labels[:, None]], dim=1).double()
    loader = DataLoader(TensorDataset(data), batch_size=settings.batch, shuffle=True)
    module = network(DETECTOR, settings).double()
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)

    def epoch() -> None:
        module.train()
        for (rows,) in loader:
            loss = torch.nn.BCEWithLogitsLoss()(module(rows[:, :-1]), rows[:, -1].unsqueeze(1))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return epoch


def ours(table: Tensor, labels: Tensor, settings: ClassifierSettings) -> Callable[[], None]:
    """One epoch of ours, with the look at four showers of the test part that ends it."""
    n = settings.batch * STEPS
    few = np.array([0, 1, n // 2, n // 2 + 1])
    split = Split(np.arange(n), few, few)
    one, module = replace(settings, epochs=1), prepared(network(DETECTOR, settings), settings, "cpu")

    def epoch() -> None:
        fit(module, table, labels, split, one, 0, "cpu", None)

    return epoch


def products(settings: ClassifierSettings) -> Callable[[], object]:
    """The matrix products of the dense network in float32, forward and backward, but for the inputs' gradient."""
    sizes = [(1 + DETECTOR.n_voxels, settings.hidden), *settings.layers * [(settings.hidden, settings.hidden)]]
    step = dense_products(settings.batch, sizes, all_gradients=False)
    return lambda: [step() for _ in range(STEPS)]


def main() -> int:
    """Time, print, judge."""
    short = quick(__doc__)
    print(setting(["torch", "numpy"]))
    goals = Goals("classifiers")
    for kind, batch, goal in (("low", 1000, 1.7), ("resnet", 50, 5.0)):
        settings = ClassifierSettings(kind, batch=batch)
        table = showers(batch * STEPS)
        labels = (torch.arange(len(table)) < len(table) // 2).float()
        runs: dict[str, Callable[[], object]] = {
            "plain, float64": plain(table, labels, settings),
            "ours, float64": ours(table, labels, replace(settings, precision="float64")),
            "ours, float32": ours(table, labels, settings),
        }
        if kind == "low":
            runs["products alone, float32"] = products(settings)
        times = seconds(runs, 2 if short else 5)
        for name, found in times.items():
            each = median(found) / len(table) * 1e3
            print(f"{kind}, {STEPS} steps of {batch}: {name}: {spread(found)}, {each:.3g} ms a shower")
        goals.at_least(
            f"{kind}: ours in float32 is faster than plain, times",
            median(times["plain, float64"]) / median(times["ours, float32"]),
            goal,
        )
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
