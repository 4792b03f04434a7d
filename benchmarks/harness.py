"""What every benchmark shares: one thread, a line about the machine, interleaved repeats, goals and their verdict."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
# It would hold OpenBLAS, and with it the bound, to the kernels of another processor.
os.environ.pop("OPENBLAS_CORETYPE", None)


def quick(doc: str | None) -> bool:
    """Whether --quick was given."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, under a minute")
    return bool(parser.parse_args().quick)


def setting(packages: Sequence[str]) -> str:
    """Processor, threads, precision and versions, in one line; torch, and every library that is loaded, get one thread,
    since those that were imported before this file have not seen its environment.
    """
    import threadpoolctl
    import torch

    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    torch.manual_seed(0)
    info, name = Path("/proc/cpuinfo"), platform.processor() or platform.machine()
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    return f"{name}; 1 thread; float32; Python {platform.python_version()}; {versions}"


def seconds(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Wall time of every run in turns, after one uncounted turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return times


def clocked(run: Callable[[], T], repeats: int = 1) -> tuple[T, float]:
    """What a run gave, and its wall time (median); for runs too long for uncounted turns."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - start)
    return found, statistics.median(times)


def ratio_of_turns(above: Sequence[float], below: Sequence[float]) -> float:
    """Median over the turns of the ratio of two runs that stood side by side."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def dense_products(batch: int, sizes: Sequence[tuple[int, int]], all_gradients: bool = True) -> Callable[[], None]:
    """The matrix products alone of dense layers of sizes (inputs, outputs), forward and backward.

    all_gradients: also that of the first layer's inputs, which the data do not need.
    """
    import torch

    parts = [(torch.randn(batch, a), torch.randn(a, b), torch.randn(batch, b)) for a, b in sizes]

    def run() -> None:
        for index, (inputs, weight, gradient) in enumerate(parts):
            torch.mm(inputs, weight)
            torch.mm(inputs.t(), gradient)
            if index or all_gradients:
                torch.mm(gradient, weight.t())

    return run


def spread(times: Sequence[float]) -> str:
    """Median and range in milliseconds."""
    low, middle, high = (1e3 * value for value in (min(times), statistics.median(times), max(times)))
    return f"{middle:.1f} ms ({low:.1f} to {high:.1f})"


@dataclass
class Goals:
    """Goals and how far each is met; `finish` prints the last line and gives the exit code."""

    name: str
    ratios: list[float] = field(default_factory=list)

    def at_least(self, what: str, found: float, goal: float) -> None:
        """A number that should be as large as possible."""
        self._add(what, found, goal, found / goal, "at least")

    def at_most(self, what: str, found: float, goal: float) -> None:
        """A number that should be as small as possible."""
        self._add(what, found, goal, goal / max(found, 1e-300), "at most")

    def _add(self, what: str, found: float, goal: float, ratio: float, kind: str) -> None:
        self.ratios.append(ratio)
        print(f"goal: {what}: {found:.3g}, {kind} {goal:g}: {'met' if ratio >= 1 else 'MISSED'}")

    def finish(self) -> int:
        """0 where every goal is met."""
        worst = min(self.ratios)
        print(f"{self.name}: {worst:.2f} (goal 1)")
        return 0 if worst >= 1 else 1
