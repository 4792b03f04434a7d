"""Time per generated shower: CaloFlow in its published size on calogan, the autoencoder of Geant4's Par04 on ds3, and
the models that come with caloforge.

Whole showers, from incident energies to MeV per voxel, one core, float32. The published sizes (recipes
`caloflow-calogan`, `vae-ds3`) have random weights near their start: time does not depend on them. For the student and
the autoencoder that come along, both engines of `caloforge generate` are measured in turns, and what a call of 10,000
showers costs per shower beside one of 1,000. Published for orientation: CaloFlow's teacher 36.5 ms, student 0.08 ms per
shower on a GPU (TITAN V), Geant4 1772 ms (arXiv:2106.05285, 2110.11377 as told in a talk).

    python benchmarks/generation.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from harness import Goals, quick, ratio_of_turns, seconds, setting
from torch import nn

from caloforge.deployment.fast import FastEngine, FastMLP, fast_showers
from caloforge.detectors import preset
from caloforge.generative.contracts import draw_noise
from caloforge.models import ShowerModel, build
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.engine import TorchEngine
from caloforge.models.pretrained import pretrained
from caloforge.models.recipe import load_recipe

PUBLISHED_TEACHER_MS, BATCHES = 36.5, (1, 100, 10_000)
FAST = ("calogan-student", "calogan-vae")
SLOW = ("calogan-flow-matching",)
"""Thirty-two evaluations of a transformer a shower: batches of 10,000 would take minutes."""
LARGE_CALL = 1.05
"""A shower of a call of 10,000 may cost this much of one in a call of 1,000; 5 % are the noise of the measurement."""


def published(recipe: str, stage: str) -> ShowerModel:
    """The model of one stage of a published recipe, moved a little away from its start."""
    loaded = load_recipe(recipe, [])
    model = build(loaded.model_of(stage), preset(loaded.detector)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model


def engines(goals: Goals, name: str, model: ShowerModel, short: bool) -> None:
    """PyTorch and our kernels in turns, as `caloforge generate` calls them: noise included, at most 1,000 at once."""
    draws = {engine.name: engine.draw(model, None, 1) for engine in (TorchEngine(), FastEngine())}
    for batch in BATCHES:
        energy = 1e3 + 9.9e4 * torch.rand(batch)
        repeats = {1: 41, 100: 15, 10_000: 1 if short else 5}[batch]

        def run(draw, energy=energy) -> None:  # type: ignore[no-untyped-def]
            generator = torch.Generator().manual_seed(0)
            for part in energy.split(1000):
                draw(part, generator)

        times = seconds({engine: lambda draw=draw: run(draw) for engine, draw in draws.items()}, repeats)  # type: ignore[misc]
        ms = {engine: 1e3 * median(found) / batch for engine, found in times.items()}
        print(
            f"{name}, engines, batch {batch:,}, ms per shower: torch {ms['torch']:.4f}, fast {ms['fast']:.4f}, "
            f"{ms['torch'] / ms['fast']:.1f} times faster"
        )
        goals.at_least(f"times faster by --engine fast, {name}, batch {batch:,}", ms["torch"] / ms["fast"], 1.0)


def large_calls(goals: Goals, models: dict[str, ShowerModel], short: bool) -> None:
    """Calls of 1,000 and of 10,000 showers in turns, into memory that was there before."""
    calls: dict[str, Callable[[int], Callable[[], object]]] = {}
    for name in FAST:
        packed = fast_showers(models[name])
        noise = draw_noise(models[name].noise(), 10_000, torch.Generator().manual_seed(0))
        energy, out = 1e3 + 9.9e4 * torch.rand(10_000), np.zeros((10_000, packed.n_voxels), np.float32)

        def of_showers(n: int, packed=packed, noise=noise, energy=energy, out=out) -> Callable[[], object]:  # type: ignore[no-untyped-def]
            part = {key: draw[:n] for key, draw in noise.items()}
            return lambda: packed.decode(part, energy[:n], out[:n])

        calls[name] = of_showers
    for outputs in (504, 6480):
        layers = [layer for a, b in ((10, 50), (50, 100), (100, 200)) for layer in (nn.Linear(a, b), nn.ReLU())]
        mlp = FastMLP.pack(nn.Sequential(*layers, nn.Linear(200, outputs), nn.Sigmoid()))
        x = np.random.default_rng(0).standard_normal((10_000, 10), dtype=np.float32)
        out = np.zeros((10_000, outputs), np.float32)
        calls[repr(mlp)] = lambda n, mlp=mlp, x=x, out=out: lambda: mlp(x[:n], out[:n])  # type: ignore[misc]
    for name, call in calls.items():
        # Ten small calls take as long as a large one.
        small, large = call(1000), call(10_000)
        runs = {"small": lambda small=small: [small() for _ in range(10)], "large": large}
        turn = sum(found[0] for found in seconds(runs, 1).values())
        times = seconds(runs, max(5, int((1 if short else 8) / turn)))
        us = {size: median(found) * 1e6 / 10_000 for size, found in times.items()}
        ratio = ratio_of_turns(times["large"], times["small"])
        print(f"{name}, us per shower: {us['small']:.2f} in calls of 1,000, {us['large']:.2f} in calls of 10,000")
        goals.at_most(
            f"of a shower in a call of 1,000, {name}, call of 10,000 (median of the turns)", ratio, LARGE_CALL
        )


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    fast = quick(__doc__)
    print(setting(("caloforge", "torch", "numba")))
    models = {
        "published teacher": published("caloflow-calogan", "voxels"),
        "published student": published("caloflow-calogan", "student"),
        "Par04's autoencoder on ds3": published("vae-ds3", "shower"),
    }
    models |= {name: load_checkpoint(folder)[0] for name, folder in pretrained().items()}
    goals = Goals("generation")
    for name, model in models.items():
        numbers = sum(parameter.numel() for parameter in model.parameters())
        found = []
        for batch in BATCHES[:2] if fast or name in SLOW else BATCHES:
            energy = 1e3 + 9.9e4 * torch.rand(batch)
            generator = torch.Generator().manual_seed(0)
            repeats = (2 if name in SLOW else 5) if fast else {1: 40, 100: 15, 10_000: 1}[batch]

            def draw(model=model, energy=energy, generator=generator) -> None:  # type: ignore[no-untyped-def]
                # In the batches of `caloforge generate`.
                for part in energy.split(1000):
                    model.sample(part, generator)

            ms = 1e3 * median(seconds({"ours": draw}, repeats)["ours"]) / batch
            found.append(f"{ms:.3g} ms at batch {batch:,}")
            if name == "published teacher" and batch == 100:
                goals.at_most("ms per shower of the published teacher at batch 100, one core", ms, PUBLISHED_TEACHER_MS)
        print(f"{name} ({numbers / 1e6:.1f} million parameters): {', '.join(found)}")
    for name in FAST:
        engines(goals, name, models[name], fast)
    large_calls(goals, models, fast)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
