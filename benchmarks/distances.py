"""FPD and KPD against the plain numpy transcription of their definitions: a part of `benchmarks/evaluation.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from harness import Goals, clocked
from numpy.typing import NDArray

from caloforge.evaluation.frechet import FrechetSettings, fpd
from caloforge.evaluation.kernel_distance import KernelSettings, kpd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "evaluation"))

import transcription_distances as plain

Floats = NDArray[np.float64]
TIMES_FASTER, AGREEMENT, SMALLEST = 5.0, 1e-6, 1e-3


def recipe(seed: int, scale: float, shift: float, n: int = 30_000) -> Floats:
    """The arrays of the golden numbers, 30 features."""
    x = np.random.default_rng(seed).normal(size=(n, 30)) * scale + shift
    x[:, :5] = np.abs(x[:, :5]) * [1, 10, 100, 1e3, 1e4]
    return x


def measure(goals: Goals, samples: list[tuple[Floats, Floats]], batch_size: int) -> None:
    """Time both distances on every pair of samples with one thread on either side; `batch_size` of KPD.

    The transcription takes few of the batches of each size, and its time is scaled to all, which take equally long;
    ours takes all, and those few again for the agreement. The first batch of the transcription of KPD is not timed: it
    takes two to three times as long as the others, because its memory is new.
    """
    whole = FrechetSettings()
    batches, one = KernelSettings(batch_size), KernelSettings(batch_size, 1)
    fpd(samples[0][0][:99], samples[0][1][:99], settings=FrechetSettings(batches=1), threads=1)
    for short in (20, 200):
        kpd(samples[0][0][:short], samples[0][1][:short], settings=KernelSettings(100, 2), threads=1)
    for a, b in samples:
        label = f"with {a.shape[1]} features"
        few, repeats = (5, 3) if a.shape[1] < 100 else (1, 1)
        _, fast = clocked(lambda a=a, b=b: fpd(a, b, settings=whole, threads=1), repeats)
        (value, _), slow = clocked(lambda a=a, b=b, few=few: plain.fpd(a, b, whole.min_samples, batches=few))
        error = abs(fpd(a, b, settings=FrechetSettings(batches=few), threads=1)[0] - value) / max(value, SMALLEST)
        report(goals, f"FPD {label}", len(a), fast, slow * whole.batches / few, error)
        _, fast = clocked(lambda a=a, b=b: kpd(a, b, settings=batches, threads=1))
        value = plain.kpd(a, b, batch_size, batches=1)[0]
        error = abs(kpd(a, b, settings=one, threads=1)[0] - value) / max(value, SMALLEST)
        _, slow = clocked(lambda a=a, b=b: plain.kpd(a, b, batch_size, batches=2))
        report(goals, f"KPD {label}, batches of {batch_size:,}", len(a), fast, slow * batches.batches / 2, error)


def report(goals: Goals, label: str, n: int, fast: float, slow: float, error: float) -> None:
    """Print and add the goals of one distance."""
    print(f"{label}, 2 x {n:,}: ours {fast:.2f} s, numpy transcription {slow:.1f} s, 1 thread each")
    goals.at_least(f"times faster: {label}", slow / fast, TIMES_FASTER)
    goals.at_most(f"relative difference: {label}", error, AGREEMENT)
