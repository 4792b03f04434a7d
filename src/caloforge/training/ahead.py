"""Work done ahead by threads, its results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def ahead(jobs: Iterable[Job], work: Callable[[Job], Result], workers: int) -> Generator[Result, None, None]:
    """`map(work, jobs)`, computed by `workers` threads that are one job each, and one more, in front of the reader.

    Jobs are taken one at a time, in order, by the threads. With 0 workers everything happens where the result is asked
    for. An error of a job or of the work is raised in its place. Closing the iterator waits for what is running.
    """
    if workers == 0:
        yield from map(work, jobs)
        return
    source, lock = enumerate(jobs), Lock()

    def take() -> tuple[int, Result] | None:
        with lock:
            numbered = next(source, None)
        return None if numbered is None else (numbered[0], work(numbered[1]))

    with ThreadPoolExecutor(workers, thread_name_prefix="caloforge-ahead") as threads:
        running: deque[Future[tuple[int, Result] | None]] = deque(threads.submit(take) for _ in range(workers + 1))
        early: dict[int, Result] = {}
        wanted = 0
        try:
            while running:
                done = running.popleft().result()
                if done is not None:
                    running.append(threads.submit(take))
                    early[done[0]] = done[1]
                while wanted in early:
                    yield early.pop(wanted)
                    wanted += 1
        finally:
            for future in running:
                future.cancel()
