"""Signals of a batch system: SIGUSR1 asks for a checkpoint, SIGTERM and Ctrl-C for a checkpoint and the end."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Signals:
    """Inside the block signals only leave a mark, which the loop reads between two updates.

    A second Ctrl-C interrupts at once. Outside the main thread, where Python allows no handlers, nothing is caught.
    """

    def __init__(self) -> None:
        self.save = False
        self.stop = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            wanted = [signal.SIGTERM, signal.SIGINT]
            if hasattr(signal, "SIGUSR1"):
                wanted.append(signal.SIGUSR1)
            self._before = {number: signal.signal(number, self._mark) for number in wanted}
        return self

    def _mark(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.stop:
            raise KeyboardInterrupt
        self.save = True
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stop = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before if before is not None else signal.SIG_DFL)
