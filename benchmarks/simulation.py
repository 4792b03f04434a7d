"""What scoring costs over Geant4 alone, and what a second worker costs.

CPU time of the same showers (equal seeds) with and without collecting and voxelising their hits, in turns, in one
process for each way: the peer is Geant4 11.4 with no scoring at all. Also printed: collecting through the bindings, as
a Python stepping action does. Two workers: CPU seconds per shower of two processes at a time over those of one.

    python benchmarks/simulation.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from harness import Goals, quick, setting

GEV = 5.0
WAYS = (("ds2", "prestep", 1.05), ("ds2", "midpoint", 1.15), ("ds2", "poststep", 1.15), ("calogan", "prestep", 1.05))
TWO_WORKERS = 1.05


def _ready(name: str, point: str, compiled: bool, n: int) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """Functions of a seed that give CPU seconds with scoring and without."""
    from caloforge.detectors import preset
    from caloforge.simulation import Request, find_tables
    from caloforge.simulation.chunk import simulate
    from caloforge.simulation.engine import Engine
    from caloforge.simulation.steps import POINTS
    from caloforge.simulation.worker import redirect_output

    redirect_output(Path(os.devnull))
    empty = Path(tempfile.mkdtemp())
    requests = {}

    def request(seed: int) -> Request:
        if seed not in requests:
            requests[seed] = Request((preset(name),), "e-", f"{GEV}GeV", n, seed=seed, scoring=point)
        return requests[seed]

    first = request(0)
    engine = Engine(
        first.construction, first.physics, first.cut_mm, POINTS[point], find_tables("subset"), empty, compiled
    )
    if compiled and engine.slow_because:
        raise RuntimeError(f"hits are collected through the bindings: {engine.slow_because}")

    def scored(seed: int) -> float:
        began = time.process_time()
        simulate(request(seed), 0, n, engine)
        return time.process_time() - began

    def bare(seed: int) -> float:
        with engine.bare():
            began = time.process_time()
            simulate(request(seed), 0, n, engine)
            return time.process_time() - began

    return scored, bare


def _overhead(name: str, point: str, n: int, repeats: int, pipe: object) -> None:
    scored, bare = _ready(name, point, True, n)
    scored(0), bare(0)
    pairs = []
    for repeat in range(repeats):
        one = (bare, scored) if repeat % 2 else (scored, bare)
        times = {run: run(repeat + 1) for run in one}
        pairs.append((times[scored], times[bare]))
    pipe.send(pairs)  # type: ignore[attr-defined]


def _bindings(name: str, point: str, n: int, repeats: int, pipe: object) -> None:
    scored, _ = _ready(name, point, False, n)
    scored(0)
    pipe.send([scored(repeat + 1) for repeat in range(repeats)])  # type: ignore[attr-defined]


def _alone(name: str, point: str, n: int, repeats: int, pipe: object) -> None:
    """CPU seconds of each round, whose seed the parent sends."""
    scored, _ = _ready(name, point, True, n)
    scored(0)
    pipe.send(None)  # type: ignore[attr-defined]
    for _ in range(repeats):
        pipe.send(scored(pipe.recv()))  # type: ignore[attr-defined]


def _start(what: Callable[..., None], *arguments: object) -> tuple[object, object]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=what, args=(*arguments, theirs))
    process.start()
    return process, ours


def _ask(what: Callable[..., None], *arguments: object) -> list[object]:
    process, pipe = _start(what, *arguments)
    found = pipe.recv()  # type: ignore[attr-defined]
    process.join()  # type: ignore[attr-defined]
    return found  # type: ignore[no-any-return]


def _two_workers(n: int, rounds: int) -> float:
    """CPU seconds per shower with two busy workers over those with one, median of interleaved rounds."""
    team = [_start(_alone, "ds2", "midpoint", n, 2 * rounds if i == 0 else rounds) for i in range(2)]
    first, second = (pipe for _, pipe in team)
    for pipe in (first, second):
        pipe.recv()  # type: ignore[attr-defined]
    ratios = []
    for repeat in range(rounds):
        first.send(repeat + 1)  # type: ignore[attr-defined]
        alone = first.recv()  # type: ignore[attr-defined]
        for pipe in (first, second):
            pipe.send(repeat + 1)  # type: ignore[attr-defined]
        together = first.recv()  # type: ignore[attr-defined]
        second.recv()  # type: ignore[attr-defined]
        ratios.append(together / alone)
    for process, _ in team:
        process.join()  # type: ignore[attr-defined]
    return float(median(ratios))


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    fast = quick(__doc__)
    print(setting(("caloforge", "geant4-pybind", "numba")))
    n, repeats = (1, 21) if fast else (4, 41)
    goals = Goals("simulation")
    reference = 0.0
    for name, point, goal in WAYS:
        pairs: list[tuple[float, float]] = _ask(_overhead, name, point, n, repeats)  # type: ignore[assignment]
        ratio = median(scored / bare for scored, bare in pairs)
        bare = median(bare for _, bare in pairs) / n
        print(f"{name}, {point}: Geant4 alone {1e3 * bare:.0f} ms per shower of {GEV:g} GeV, scored {ratio:.3f} times")
        goals.at_most(f"CPU time of {name} with {point} scoring over no scoring", ratio, goal)
        reference = bare if (name, point) == ("ds2", "prestep") else reference
    slow = median(_ask(_bindings, "ds2", "prestep", n, 3)) / n / reference  # type: ignore[type-var,operator]
    print(f"for comparison, ds2 with prestep scoring through the bindings: {slow:.2f} times Geant4 alone")
    same = _two_workers(4, 5 if fast else 15)
    goals.at_most("CPU seconds per shower, two workers over one", same, TWO_WORKERS)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
