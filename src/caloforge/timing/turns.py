"""Times of one batch size: all runtimes in turns, one at a time, the order moving on from turn to turn."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any

from caloforge.timing.process import Worker, WorkerFailed
from caloforge.timing.results import Results, summary

if TYPE_CHECKING:
    from caloforge.timing.benchmark import Settings

LONGEST_S, FEWEST = 8.0, 3
"""A runtime is given up on further repeats after so many seconds, but not before so many repeats."""


def take_turns(
    alive: dict[str, Worker], results: Results, batch: int, settings: Settings, advance: Callable[[float], None]
) -> None:
    """Check and time a batch in every living worker, and add it to the results; a worker that fails is let go."""
    ready: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(list(alive)):
        found = _asked(alive, results, name, do="batch", batch=batch)
        if found is not None and found["refused"]:
            results.runtimes[name]["refused"][str(batch)] = {
                "difference": found["difference"] if found["difference"] < 1e30 else None,
                "tolerance": found["tolerance"],
            }
        elif found is not None:
            ready[name] = found
        advance(0.4 * (number + 1) / max(len(alive), 1))
    inner = {name: max(1, ceil(settings.sample_s / found["seconds"])) for name, found in ready.items()}
    wanted = {
        name: max(min(FEWEST, settings.repeats), min(settings.repeats, int(LONGEST_S / found["seconds"])))
        for name, found in ready.items()
    }
    samples: dict[str, list[float]] = {name: [] for name in ready}
    for turn in range(settings.repeats):
        order = [name for name in ready if turn < wanted[name] and name in alive]
        shift = turn % max(len(order), 1)
        for name in order[shift:] + order[:shift]:
            answer = _asked(alive, results, name, do="time", inner=inner[name])
            if answer is not None:
                samples[name].append(answer["seconds"])
        advance(0.4 + 0.6 * (turn + 1) / settings.repeats)
    names = [name for name in ready if name in alive]
    bounds = [name for name in names if results.runtimes[name]["bound"]]
    for name in [*bounds, *(name for name in names if name not in bounds)]:
        kept = {key: ready[name][key] for key in ("difference", "peak_mb", "resident_mb", "by")}
        times = summary(samples[name], batch, results.bound(batch))
        results.runtimes[name]["batches"][str(batch)] = {**times, "inner": inner[name], **kept}
    for name in list(alive):
        _asked(alive, results, name, do="drop")


def _asked(alive: dict[str, Worker], results: Results, name: str, **question: Any) -> dict[str, Any] | None:
    try:
        return alive[name].ask(**question)
    except WorkerFailed as error:
        alive.pop(name).kill()
        results.runtimes[name]["why_not"] = f"failed: {error}"
        return None
