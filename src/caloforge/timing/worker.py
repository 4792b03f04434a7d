"""The process in which one runtime lives; it is asked over a pipe and answers in JSON, one line each.

python -m caloforge.timing.worker JOB.json
"""

from __future__ import annotations

import time

_BEGAN = time.monotonic()

import ctypes  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, TextIO  # noqa: E402

import numpy as np  # noqa: E402

from caloforge.errors import CaloforgeError  # noqa: E402
from caloforge.timing.memory import flame_graph, reset_high_water, resident_mb, traced_peak_mb  # noqa: E402
from caloforge.timing.obedience import observe  # noqa: E402
from caloforge.timing.runtime import Run, Runtime, runtime  # noqa: E402
from caloforge.timing.work import Floats, Work, create_work, open_work  # noqa: E402

Answer = dict[str, Any]
_WARM_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1


class Loaded:
    """A runtime made ready, and the showers it is asked for."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.runtime: Runtime = runtime(job["runtime"])
        self.work: Work = open_work(Path(job["work"]))
        self.folder, self.threads = Path(job["folder"]), int(job["threads"])
        began = time.perf_counter()
        self.run: Run = self.runtime.load(self.work, self.folder, self.threads)
        self.load_seconds = time.perf_counter() - began
        self.call: Callable[[], Floats] = lambda: np.zeros((0, 0), np.float32)

    def take(self, n: int) -> None:
        """Inputs and memory for the outputs of n showers."""
        inputs = self.work.draws(n)
        memory = np.ones(n * self.work.outputs + 16, np.float32)
        start = (-memory.ctypes.data % 64) // 4
        out = memory[start : start + n * self.work.outputs].reshape(n, -1)
        self.call = lambda: self.run(inputs, out)

    def difference(self, result: Floats, n: int) -> float:
        """The largest difference from PyTorch, each relative to its shower's largest output; for the bound zero."""
        if self.runtime.bound:
            return 0.0
        if result.shape != (n, self.work.outputs):
            raise CaloforgeError(f"its outputs have shape {result.shape}, expected {(n, self.work.outputs)}.")
        expected, largest = self.work.reference(n), 0.0
        for first in range(0, n, 500):
            rows = slice(first, first + 500)
            exact, found = expected[rows], result[rows]
            scale = np.maximum(np.abs(exact).max(1), 1e-30)
            worst = (np.abs(found - exact).max(1) / scale).max()
            largest = max(largest, float(worst)) if np.isfinite(worst) else float("inf")
        return largest


def serve(job: dict[str, Any], answer: Callable[[Answer], None], asked: TextIO) -> None:
    """Load, then answer until the pipe closes."""
    loaded = Loaded(job)
    answer({
        "interpreter_s": _BEGAN - job["spawned"], "load_s": loaded.load_seconds,
        "start_s": time.monotonic() - job["spawned"], "resident_mb": resident_mb("VmRSS"),
    })  # fmt: skip
    gc.disable()
    for line in asked:
        command = json.loads(line)
        match command["do"]:
            case "first":
                loaded.take(command["batch"])
                began = time.perf_counter()
                loaded.call()
                answer({"seconds": time.perf_counter() - began})
            case "batch":
                answer(_batch(loaded, command["batch"]))
            case "time":
                answer(_timed(loaded.call, command["inner"]))
            case "drop":
                loaded.call = lambda: np.zeros((0, 0), np.float32)
                gc.collect()
                answer({})


def _batch(loaded: Loaded, n: int) -> Answer:
    """Take a batch size up: outputs checked, call warmed up, memory measured."""
    loaded.take(n)
    difference = loaded.difference(loaded.call(), n)
    allowed = loaded.runtime.tolerance(loaded.work)
    if not difference <= allowed:
        return {"difference": difference, "tolerance": allowed, "refused": True}
    known, base = reset_high_water(), resident_mb("VmRSS")
    count, began = 0, time.perf_counter()
    while count < 2 or time.perf_counter() - began < _WARM_SECONDS:
        loaded.call()
        count += 1
    seconds = (time.perf_counter() - began) / count
    chosen = getattr(loaded.run, "chosen", None)
    return {
        "difference": difference, "tolerance": allowed, "refused": False, "seconds": seconds,
        "peak_mb": resident_mb() if known else None, "resident_mb": base, "by": chosen() if chosen else None,
    }  # fmt: skip


def _timed(call: Callable[[], object], inner: int) -> Answer:
    """Seconds of one call, from `inner` in a row after one that fills the caches."""
    if inner > 1:
        call()
    began = time.perf_counter()
    for _ in range(inner):
        call()
    return {"seconds": (time.perf_counter() - began) / inner}


def prepare(job: dict[str, Any]) -> Answer:
    """Everything that `load` needs."""
    began = time.perf_counter()
    made = runtime(job["runtime"])
    work = open_work(Path(job["work"]))
    why = made.refuses(work)
    if why is None:
        made.prepare(work, Path(job["folder"]), int(job["threads"]))
    return {"refuses": why, "seconds": time.perf_counter() - began, "versions": made.versions()}


def probe(job: dict[str, Any]) -> Answer:
    """Threads that work, on all cores."""
    loaded = Loaded(job)
    loaded.take(job["batch"])
    return dict(observe(loaded.call, loaded.threads, job["cores"]))


def trace(job: dict[str, Any]) -> Answer:
    """Peak of the allocations around load and first calls; never timed."""
    page = Path(job["page"])
    capture = Path(job["folder"]) / "allocations.bin"

    def all_of_it() -> None:
        loaded = Loaded(job)
        loaded.take(job["batch"])
        for _ in range(3):
            loaded.call()

    peak, allocations = traced_peak_mb(all_of_it, capture)
    drawn = flame_graph(capture, page)
    capture.unlink(missing_ok=True)
    return {"peak_mb": peak, "allocations": allocations, "flame_graph": page.name if drawn else None}


def subject(job: dict[str, Any]) -> Answer:
    """Write the work."""
    work = create_work(Path(job["work"]), job["document"], job["showers"])
    return {
        "name": work.name, "outputs": work.outputs, "training_seconds": work.training_seconds,
        "inputs": {name: list(draw.shape) for name, draw in work.inputs.items()},
        "products": [list(product) for product in work.products],
    }  # fmt: skip


def _end_with_parent() -> None:
    """On Linux, be ended when the benchmark is, however that happens."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(path: str) -> int:
    """Do one job; the answers go to the pipe, all that libraries print to the log."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    _end_with_parent()
    cores = job.get("pinned")
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    with os.fdopen(job["answers"], "w", encoding="utf-8") as pipe, os.fdopen(job["questions"], encoding="utf-8") as ask:

        def answer(found: Answer) -> None:
            pipe.write(json.dumps(found) + "\n")
            pipe.flush()

        try:
            if job["role"] == "serve":
                serve(job, answer, ask)
            else:
                answer({"prepare": prepare, "probe": probe, "trace": trace, "subject": subject}[job["role"]](job))
        except Exception as error:
            traceback.print_exc()
            reason = str(error) if isinstance(error, CaloforgeError) else f"{type(error).__name__}: {error}"
            with suppress(OSError):
                answer({"failed": " ".join(reason.split())[:500]})
            return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
