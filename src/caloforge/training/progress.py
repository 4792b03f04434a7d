"""The progress bar of a run: steps, rate, remaining time, newest losses."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Steps per second."""
        speed = task.finished_speed or task.speed
        return Text("- steps/s" if speed is None else f"{speed:.3g} steps/s", style="progress.data.speed")


class ProgressBar:
    """A bar on standard error that is silent where `show` is false."""

    def __init__(self, total: int, done: int, show: bool) -> None:
        self._show = show
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
            console=Console(stderr=True),
            disable=not show,
        )
        self._task = self._bar.add_task("training", total=total, completed=done, epoch=1, loss="")

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, step: int, epoch: int, loss: float | None = None) -> None:
        """Move the bar to a step; `epoch` counts from 1."""
        self._bar.update(self._task, completed=step, epoch=epoch)
        if loss is not None:
            self._bar.update(self._task, loss=f"loss {loss:.5g}")

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._show:
            self._bar.console.print(text, highlight=False)
