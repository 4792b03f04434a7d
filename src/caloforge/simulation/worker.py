"""Worker processes, each with its own Geant4, and what is said when one of them dies."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from caloforge.errors import CaloforgeError
from caloforge.simulation.chunk import engine_for, simulate_chunk
from caloforge.simulation.plan import Chunk, Plan, open_plan
from caloforge.simulation.tables import Tables


class _Worker:
    """A process that takes chunk numbers from a pipe and answers each when it is on disk."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.log = plan.logs / f"worker-{number}.log"
        self.pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(
            target=_serve, args=(str(plan.folder), plan.tables, str(self.log), theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        self.chunk: Chunk | None = None

    def take(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.pipe.send(chunk.index)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run_chunks(plan: Plan, chunks: Sequence[Chunk], workers: int, done: Callable[[Chunk], None]) -> None:
    """Simulate chunks in worker processes; `done` is called for each as it is committed.

    Raises CaloforgeError where a worker fails or dies; chunks committed before stay.
    """
    waiting = list(reversed(chunks))
    team = [_Worker(plan, number) for number in range(min(workers, len(chunks)))]
    try:
        for worker in team:
            worker.take(waiting.pop())
        busy = len(team)
        while busy:
            for pipe in wait([worker.pipe for worker in team if worker.chunk is not None]):
                worker = next(each for each in team if each.pipe is pipe)
                finished = worker.chunk
                assert finished is not None
                _answer(worker)
                done(finished)
                if waiting:
                    worker.take(waiting.pop())
                else:
                    worker.chunk = None
                    busy -= 1
    finally:
        for worker in team:
            worker.stop()


def run_here(workers: int) -> Callable[[Plan, Sequence[Chunk], Callable[[Chunk], None]], None]:
    """A runner for `produce` with worker processes on this machine."""

    def run(plan: Plan, chunks: Sequence[Chunk], done: Callable[[Chunk], None]) -> None:
        run_chunks(plan, chunks, workers, done)

    return run


def _answer(worker: _Worker) -> None:
    """Wait for a worker's answer; raises CaloforgeError where it is an error or does not come."""
    try:
        problem = worker.pipe.recv()
    except (EOFError, ConnectionError) as error:
        worker.process.join()
        raise CaloforgeError(
            f"A Geant4 process ended by itself (exit code {worker.process.exitcode}){_last_words(worker.log)}; "
            f"its output is in {worker.log}. Finished showers are kept: the same command goes on."
        ) from error
    if problem is not None:
        raise CaloforgeError(problem)


def _last_words(log: Path) -> str:
    """What Geant4 said before it ended the process."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    starts = [i for i, line in enumerate(lines) if "G4Exception-START" in line]
    if not starts:
        return ""
    block = itertools.takewhile(lambda line: "G4Exception-END" not in line, lines[starts[-1] + 1 :])
    return f": {' '.join(' '.join(block).split())}"


def _serve(folder: str, tables: Tables, log: str, pipe: Connection) -> None:
    """Serve chunks until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    redirect_output(Path(log))
    plan = open_plan(Path(folder), tables)
    engine: Any = None
    while True:
        try:
            index = pipe.recv()
        except EOFError:
            return
        try:
            engine = engine or engine_for(plan)
            simulate_chunk(plan, plan.chunks[index], engine)
        except CaloforgeError as error:
            pipe.send(str(error))
        else:
            pipe.send(None)


def redirect_output(log: Path) -> None:
    """Send what this process prints, Geant4's banner included, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
