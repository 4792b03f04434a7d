"""Couplings side by side: one toy, one network, several seeds; straightness and W2 against the number of steps."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    RK4,
    Coupling,
    Euler,
    ExactOT,
    FlowMatching,
    Independent,
    Linear,
    OdeSettings,
    Path,
    Prediction,
    Sinkhorn,
    Solver,
    SortedOT,
    TimeGrid,
    TimeLaw,
    UniformTime,
    VelocityField,
    VelocityPrediction,
)
from caloforge.nn import TimedMLP
from caloforge.playground.measures import Floats, straightness, wasserstein
from caloforge.playground.toys import Toy, ToyBatches
from caloforge.randomness import numpy_generator, stream_seed
from caloforge.training import TrainingSettings, train

ON_THE_WAY = 150
"""Trajectories kept for the figure; the fewest samples that can be asked for."""


@dataclass(frozen=True)
class Settings:
    """What is trained and how it is measured.

    steps: numbers of equal steps at which W2 is taken. samples: points on each side of every W2. seeds: trainings of
    each coupling. updates, batch_size: of each training; each batch is coupled as a whole.
    """

    couplings: Mapping[str, Coupling]
    path: Path = field(default_factory=Linear)
    prediction: Prediction = field(default_factory=VelocityPrediction)
    time_law: TimeLaw = field(default_factory=UniformTime)
    solver: Solver = field(default_factory=Euler)
    steps: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    updates: int = 1000
    batch_size: int = 256
    samples: int = 1000
    seeds: int = 3
    seed: int = 0
    hidden: tuple[int, ...] = (64, 64, 64)

    def __post_init__(self) -> None:
        for name, low in (("updates", 1), ("batch_size", 1), ("samples", ON_THE_WAY), ("seeds", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise CaloforgeError(f"The playground has {name}={getattr(self, name)}; give at least {low}.")
        if not self.couplings:
            raise CaloforgeError("The playground has no coupling to train with; name at least one.")
        if not self.steps or min(self.steps) < 1 or list(self.steps) != sorted(set(self.steps)):
            raise CaloforgeError(
                f"The playground has steps={list(self.steps)}; give increasing numbers from 1 on, for example 1,2,4,8."
            )


@dataclass(frozen=True)
class Measured:
    """A number measured once for each seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(self.values))

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN for a single seed."""
        n = len(self.values)
        return float(np.std(self.values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan


@dataclass(frozen=True)
class Found:
    """One coupling: S (mean departure from the chord), its profile over t (seeds, T), W2 and evaluations by number of
    steps, seconds of a training, and of the first seed what a figure shows: trajectories (T, n, D), samples (n, D)."""

    straightness: Measured
    profile: Floats
    wasserstein: Mapping[int, Measured]
    evaluations: Mapping[int, int]
    seconds: Measured
    trajectories: NDArray[np.float32]
    samples: Mapping[int, NDArray[np.float32]]


@dataclass(frozen=True)
class Comparison:
    """What came of all couplings on one toy; `floor` is W2 between two samples of the toy itself."""

    name: str
    settings: Settings
    times: Floats
    floor: Measured
    data: Floats
    found: Mapping[str, Found]

    def as_json(self) -> dict[str, Any]:
        """All numbers with their seeds and errors, as JSON keeps them."""

        def told(measured: Measured) -> dict[str, Any]:
            error = None if math.isnan(measured.error) else measured.error
            return {"mean": measured.mean, "error": error, "values": list(measured.values)}

        settings = self.settings
        return {
            "toy": self.name,
            "seeds": [settings.seed + index for index in range(settings.seeds)],
            "samples": settings.samples,
            "updates": settings.updates,
            "batch_size": settings.batch_size,
            "hidden": list(settings.hidden),
            "path": repr(settings.path),
            "prediction": repr(settings.prediction),
            "time_law": repr(settings.time_law),
            "solver": repr(settings.solver),
            "floor_w2": told(self.floor),
            "times": self.times.tolist(),
            "couplings": {
                name: {
                    "coupling": repr(settings.couplings[name]),
                    "straightness": told(found.straightness),
                    "departure_from_chord": found.profile.mean(axis=0).tolist(),
                    "w2": {str(steps): told(value) for steps, value in found.wasserstein.items()},
                    "evaluations": {str(steps): number for steps, number in found.evaluations.items()},
                    "seconds": told(found.seconds),
                }
                for name, found in self.found.items()
            },
        }


def default_couplings(toy: Toy) -> dict[str, Coupling]:
    """No transport, transport with entropy, and exact transport, which is sorting for one feature."""
    exact: Coupling = SortedOT() if toy.features == 1 else ExactOT()
    return {"independent": Independent(), "Sinkhorn": Sinkhorn(0.2, tolerance=1e-2), "exact OT": exact}


def compare(
    name: str, toy: Toy, settings: Settings | None = None, say: Callable[[str], None] = lambda line: None
) -> Comparison:
    """Train every coupling on a toy with every seed, and measure; equal settings give equal numbers, times excepted.

    All couplings of one seed begin with the same weights, see the same data, and are judged on the same noise and
    points. say: is told each training. Raises CaloforgeError where a coupling does not fit the toy.
    """
    settings = settings if settings is not None else Settings(default_couplings(toy))
    seeds = [settings.seed + index for index in range(settings.seeds)]
    points = {
        seed: [toy.draw(settings.samples, numpy_generator(seed, purpose)) for purpose in ("toy data", "toy floor")]
        for seed in seeds
    }
    for coupling in settings.couplings.values():
        pair = torch.from_numpy(points[seeds[0]][0][:2]).float()
        coupling.order(torch.zeros_like(pair), pair, {}, numpy_generator(settings.seed, "toy probe"))
    floor = Measured(tuple(wasserstein(*points[seed]) for seed in seeds))
    found = {}
    for label, coupling in settings.couplings.items():
        runs = []
        for seed in seeds:
            began = time.perf_counter()
            model = _trained(toy, coupling, settings, seed)
            seconds = time.perf_counter() - began
            runs.append(_Run(model, settings, seed, points[seed][0], seconds))
            say(f"{label}, seed {seed}: {settings.updates} updates in {seconds:.1f} s, S = {runs[-1].straightness:.3f}")
        found[label] = Found(
            Measured(tuple(run.straightness for run in runs)),
            np.stack([run.profile for run in runs]),
            {steps: Measured(tuple(run.w2[steps] for run in runs)) for steps in settings.steps},
            runs[0].evaluations,
            Measured(tuple(run.seconds for run in runs)),
            runs[0].trajectories,
            runs[0].samples,
        )
    return Comparison(name, settings, runs[0].times, floor, points[seeds[0]][0], found)


def _trained(toy: Toy, coupling: Coupling, settings: Settings, seed: int) -> VelocityField:
    with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(stream_seed(seed, "toy weights"))
        network = TimedMLP(toy.features, settings.hidden)
        model = VelocityField(network, toy.features, settings.path, settings.prediction)
        training = TrainingSettings(
            learning_rate=1e-2, schedule="one-cycle", warm_up=0.1, ema_decay=0.99, checkpoint_every=settings.updates,
            tensorboard=False, seed=seed, threads=1, accelerator="cpu",
        )  # fmt: skip
        batches = ToyBatches(toy, settings.batch_size, settings.updates, seed)
        train(FlowMatching(model, coupling, settings.time_law), batches, training, folder, show=False)
    return model


class _Run:
    """What one trained model gives."""

    def __init__(self, model: VelocityField, settings: Settings, seed: int, data: Floats, seconds: float) -> None:
        rng = torch.Generator().manual_seed(stream_seed(seed, "toy noise"))
        noise = torch.randn(settings.samples, model.features, generator=rng)
        self.seconds = seconds
        self.times, self.profile = straightness(model, noise, {})
        self.straightness = float(np.trapezoid(self.profile, self.times))
        self.w2: dict[int, float] = {}
        self.evaluations: dict[int, int] = {}
        self.samples: dict[int, NDArray[np.float32]] = {}
        with torch.no_grad():
            for steps in settings.steps:
                end, self.evaluations[steps] = model.solve({"z": noise}, {}, OdeSettings(settings.solver, steps))
                self.w2[steps] = wasserstein(end.double().numpy(), data)
                self.samples[steps] = end.numpy()
            fine = OdeSettings(RK4(), TimeGrid.uniform(40))
            self.trajectories = model.trajectory({"z": noise[:ON_THE_WAY]}, {}, fine).numpy()
