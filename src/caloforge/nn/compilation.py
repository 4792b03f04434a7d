"""Tell the user when a kernel is being compiled, which takes seconds the first time and is kept on disk afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

PATIENCE_S = 1.0
_ready: set[Callable[..., Any]] = set()


def announced(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel; its first call says so on standard error where it takes longer than a second."""
    return kernel if kernel in _ready else _First(kernel)


class _First:
    def __init__(self, kernel: Callable[..., Any]) -> None:
        self.kernel = kernel

    def __call__(self, *arguments: Any) -> Any:
        with _told():
            result = self.kernel(*arguments)
        _ready.add(self.kernel)
        return result


@contextmanager
def _told() -> Iterator[None]:
    message = "caloforge compiles its kernels for this processor (some ten seconds, once) ...\n"
    timer = Timer(PATIENCE_S, lambda: sys.stderr.write(message))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
