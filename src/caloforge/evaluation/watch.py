"""What an evaluation is at: seconds of every stage, and progress for whoever wants to show it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Shows how far a stage is."""

    def begin(self, stage: str, total: int, unit: str) -> Advance:
        """A stage of so many units begins; the returned function takes how many more are done."""
        ...

    def end(self) -> None:
        """The stage is over."""
        ...


class Silent:
    """Shows nothing."""

    def begin(self, stage: str, total: int, unit: str) -> Advance:
        """A function that does nothing."""
        return lambda done: None

    def end(self) -> None:
        """Nothing."""


class Watch:
    """Adds up the seconds of stages by name and passes their progress on."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress: Progress = progress or Silent()
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    @contextmanager
    def stage(self, name: str, total: int = 1, unit: str = "steps") -> Iterator[Advance]:
        """Time a stage; gives the function that takes how many units more are done."""
        advance = self.progress.begin(name, total, unit)
        try:
            with self.timed(name):
                yield advance
        finally:
            self.progress.end()

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time a stage that shows its progress itself."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def all_seconds(self) -> dict[str, float]:
        """Seconds by stage, and in total since the watch was made."""
        found = {name: round(value, 3) for name, value in self.seconds.items()}
        return {**found, "total": round(time.perf_counter() - self._began, 3)}
