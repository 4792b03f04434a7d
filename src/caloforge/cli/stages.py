"""A progress bar for each stage of a long command, with its rate and the remaining time, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class StageBars:
    """Shows one bar at a time; what is over stays as a line. Only made where standard error is a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._bar: Any = None

    @staticmethod
    def where_seen() -> StageBars | None:
        """Bars where somebody looks, else None."""
        return StageBars() if sys.stderr.isatty() else None

    def begin(self, stage: str, total: int, unit: str) -> Callable[[int], None]:
        """A stage of so many units begins; the returned function takes how many more are done."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                speed = task.finished_speed or task.speed
                return Text(f"{'-' if speed is None else f'{speed:,.3g}'} {unit}/s", style="progress.data.speed")

        self.end()
        columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), Rate())
        bar = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self._console)
        task = bar.add_task(stage, total=total)
        bar.start()
        self._bar = bar
        return lambda done: bar.advance(task, done)

    def end(self) -> None:
        """The stage is over."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
