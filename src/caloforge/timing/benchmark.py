"""The benchmark: each runtime prepared, watched and traced in processes of its own, then all timed in turns."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from caloforge.errors import CaloforgeError
from caloforge.threads import available_threads
from caloforge.timing import memory
from caloforge.timing.folder import claimed, earlier
from caloforge.timing.machine import machine
from caloforge.timing.process import Worker, WorkerFailed
from caloforge.timing.results import SCHEMA, Results
from caloforge.timing.runtime import Runtime, runtime, runtime_names
from caloforge.timing.turns import take_turns

Progress = Callable[[float, float, str], None]
"""progress(done, total, what): shares of the whole, and what is under way."""

PREPARE, WATCH, TRACE, START, BATCH = 6.0, 4.0, 10.0, 3.0, 2.0
"""Rough seconds of each step, for the progress bar."""


@dataclass(frozen=True)
class Settings:
    """What is asked: names of runtimes, batch sizes, threads, repeats of each time, least seconds of one sample, and
    whether memory is traced and threads are watched. Raises CaloforgeError for what makes no sense."""

    runtimes: tuple[str, ...]
    batches: tuple[int, ...] = (1, 10, 100, 1000, 10_000)
    threads: int = 1
    repeats: int = 15
    sample_s: float = 0.005
    trace: bool = True
    watch: bool = True

    def __post_init__(self) -> None:
        if not self.batches or min(self.batches) < 1:
            text = ",".join(str(batch) for batch in self.batches)
            raise CaloforgeError(f"--batch is '{text}', expected numbers of showers from 1 on, for example 1,10,100.")
        if self.threads < 1 or self.repeats < 1:
            name, value = ("threads", self.threads) if self.threads < 1 else ("repeats", self.repeats)
            raise CaloforgeError(f"--{name} is {value}, expected 1 or more.")
        cores = available_threads()
        if self.threads > cores:
            warnings.warn(
                f"--threads is {self.threads}, but only {cores} core{'s' if cores > 1 else ''} may be used: threads "
                "will wait for each other.",
                stacklevel=3,
            )

    def traced_batch(self) -> int:
        """The batch size for memory and threads: the largest up to 1000, or the smallest."""
        return max((batch for batch in self.batches if batch <= 1000), default=min(self.batches))


def choose_runtimes(names: list[str] | None) -> tuple[list[str], dict[str, str]]:
    """The runtimes to time, the bound among them, and why others are left out.

    names: what the user asks for; all that can be used here where nothing is asked. Raises CaloforgeError for an
    unknown name, for one asked for that cannot be used here, and where an empty list is asked for.
    """
    if names is not None and not names:
        raise CaloforgeError("--runtimes names none; give some with commas between them, or all.")
    wanted = runtime_names() if names is None else list(dict.fromkeys(names))
    made = {name: runtime(name) for name in wanted}
    absent = {name: why for name, each in made.items() if (why := each.missing()) is not None}
    if names is not None and absent:
        name, why = next(iter(absent.items()))
        raise CaloforgeError(f"the runtime '{name}' cannot be used: {why}.")
    chosen = [name for name in wanted if name not in absent]
    if not any(made[name].bound for name in chosen):
        chosen.append("blas")
    return chosen, absent


def benchmark(
    subject: Mapping[str, Any],
    settings: Settings,
    out: Path,
    *,
    absent: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Results:
    """Time a network in every runtime and write benchmark.json into `out`; interrupted, the same call goes on.

    subject: the document of the work ({"kind": "decoder", "widths": [...]}). absent: runtimes that are left out, and
    why. facts: what else is kept (`geant4_seconds` of one shower, `training_seconds`). Raises CaloforgeError where
    the folder is in use by something else.
    """
    asked = {"subject": dict(subject), "settings": _plain(asdict(settings))}
    with claimed(out):
        results = earlier(out, asked) or Results(
            out,
            {
                "schema": SCHEMA, **asked, "machine": machine(), "facts": {}, "absent": {}, "work": None,
                "runtimes": {}, "finished": False,
            },
        )  # fmt: skip
        results.document["absent"] = dict(absent or {})
        if settings.trace and not memory.can_trace():
            results.document["absent"]["allocations"] = memory.MISSING
        results.document["facts"].update({key: value for key, value in (facts or {}).items() if value is not None})
        _Bench(results, settings, subject, progress or (lambda done, total, what: None)).run()
    return results


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in document.items()}


class _Bench:
    """One run of the benchmark."""

    def __init__(self, results: Results, settings: Settings, subject: Mapping[str, Any], progress: Progress) -> None:
        self.results, self.settings, self.subject, self.report = results, settings, subject, progress
        self.folder = results.folder.resolve() / "work"
        self.cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.pinned = self.cores[: settings.threads] or None
        self.made = {name: runtime(name) for name in settings.runtimes}
        each = PREPARE + WATCH * settings.watch + TRACE * settings.trace + START + BATCH * len(settings.batches)
        self.total, self.done = PREPARE + each * len(self.made), 0.0

    def run(self) -> None:
        """Everything that is not there yet."""
        document = self.results.document
        if document["finished"]:
            return
        document["pinned_to"] = self.pinned
        if document["work"] is None or not (self.folder / "work.json").exists():
            with self._step(PREPARE, "inputs and PyTorch's outputs"):
                job = {"document": dict(self.subject), "showers": max(self.settings.batches)}
                with self._worker("subject", "subject", job) as worker:
                    document["work"] = self._or_raise(worker)
                if document["work"]["training_seconds"] is not None:
                    document["facts"].setdefault("training_seconds", document["work"]["training_seconds"])
                self.results.save()
        else:
            self.done += PREPARE
        for name, made in self.made.items():
            self._alone(name, made)
        waiting = [batch for batch in self.settings.batches if not self._has(batch)]
        self.done += (START + BATCH * len(self.settings.batches)) * len(self.made)
        if waiting:
            self.done -= (START + BATCH * len(waiting)) * len(self.made)
            self._together(waiting)
        document["finished"] = True
        self.results.save()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _or_raise(self, worker: Worker) -> dict[str, Any]:
        try:
            return worker.answer()
        except WorkerFailed as error:
            raise CaloforgeError(f"{error}") from error

    def _has(self, batch: int) -> bool:
        able = [found for found in self.results.runtimes.values() if found["why_not"] is None]
        return bool(able) and all(str(batch) in {**found["batches"], **found["refused"]} for found in able)

    @contextmanager
    def _step(self, cost: float, what: str) -> Iterator[None]:
        self.report(self.done, self.total, what)
        yield
        self.results.save()
        self.done += cost
        self.report(self.done, self.total, what)

    def _worker(self, role: str, name: str, job: Mapping[str, Any], pinned: bool = False) -> Worker:
        made: Runtime | None = self.made.get(name)
        folder = self.folder / name
        whole = {
            **job, "runtime": name, "work": str(self.folder), "folder": str(folder), "threads": self.settings.threads,
        }  # fmt: skip
        environment = made.environment(folder, self.settings.threads) if made is not None else {}
        log = self.folder / "logs" / f"{name}-{role}.log"
        return Worker(role, whole, log, environment, self.pinned if pinned else None)

    def _alone(self, name: str, made: Runtime) -> None:
        """What is found of one runtime by itself: preparation, threads, allocations."""
        settings, folder = self.settings, self.folder / name
        found = self.results.runtimes.setdefault(
            name,
            {
                "label": made.label, "bound": made.bound, "precision": made.precision, "flags": made.flags,
                "environment": {k: v for k, v in made.environment(folder, settings.threads).items() if "/" not in v},
                "why_not": None, "versions": {}, "prepare_s": None, "start": None, "threads": None, "memory": None,
                "batches": {}, "refused": {},
            },
        )  # fmt: skip
        job = {"batch": settings.traced_batch(), "cores": len(self.cores) or available_threads()}
        if found["why_not"] is None and (found["prepare_s"] is None or not folder.is_dir()):
            with self._step(PREPARE, f"{made.label}: preparing"):
                answer, why = self._ask_once("prepare", name, job)
                if answer is None:
                    found["why_not"] = f"failed: {why}"
                else:
                    found["why_not"], found["prepare_s"] = answer["refuses"], answer["seconds"]
                    found["versions"] = answer["versions"]
        else:
            self.done += PREPARE
        if settings.watch:
            if found["why_not"] is None and found["threads"] is None:
                with self._step(WATCH, f"{made.label}: threads"):
                    found["threads"], why = self._ask_once("probe", name, job)
                    if why is not None:
                        found["why_not"] = f"failed: {why}"
            else:
                self.done += WATCH
        if settings.trace:
            if found["why_not"] is None and found["memory"] is None and memory.can_trace() and not made.bound:
                with self._step(TRACE, f"{made.label}: allocations"):
                    page = self.results.folder.resolve() / "allocations" / f"{name}.html"
                    page.parent.mkdir(exist_ok=True)
                    answer, why = self._ask_once("trace", name, {**job, "page": str(page)})
                    nothing = {"peak_mb": None, "flame_graph": None, "why_not": why}
                    found["memory"] = {"batch": job["batch"], **(nothing if answer is None else answer)}
            else:
                self.done += TRACE

    def _ask_once(self, role: str, name: str, job: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
        """The answer of a process with one task, or why there is none."""
        try:
            with self._worker(role, name, job) as worker:
                return worker.answer(), None
        except WorkerFailed as error:
            return None, str(error)

    def _together(self, waiting: list[int]) -> None:
        """All runtimes alive and pinned to the same cores, asked in turns."""
        with ExitStack() as stack:
            alive: dict[str, Worker] = {}
            for name in self.made:
                found = self.results.runtimes[name]
                if found["why_not"] is not None:
                    self.done += START
                    continue
                with self._step(START, f"{found['label']}: start"):
                    try:
                        worker = stack.enter_context(self._worker("serve", name, {}, pinned=True))
                        start = worker.answer()
                        first = worker.ask(do="first", batch=waiting[0])
                    except WorkerFailed as error:
                        found["why_not"] = f"failed: {error}"
                        continue
                    alive[name] = worker
                    if found["start"] is None:
                        found["start"] = {**start, "first_call_s": first["seconds"], "first_call_batch": waiting[0]}
            self.results.save()
            for batch in waiting:
                with self._step(0.0, f"batch {batch:,}"):
                    take_turns(alive, self.results, batch, self.settings, self._advance(batch))
                self.results.save()

    def _advance(self, batch: int) -> Callable[[float], None]:
        """Moves the bar while a batch is being timed; the argument is the share of it that is done."""
        begin, whole = self.done, BATCH * len(self.made)

        def advance(share: float) -> None:
            self.done = begin + whole * share
            self.report(self.done, self.total, f"batch {batch:,}")

        return advance
