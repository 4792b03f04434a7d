"""Interruptions: the end that a batch system asks for is one, and a command that goes on later says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


@contextmanager
def orderly_end() -> Iterator[None]:
    """Within the block, SIGTERM interrupts as Ctrl-C does, so that what is half-written is removed.

    Outside the main thread, where Python allows no handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


@contextmanager
def resumable(place: Path | str) -> Iterator[None]:
    """Within the block, an interruption is said in one line with the place where the command goes on; exit code 130."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise goes_on(place) from interrupt


def goes_on(place: Path | str) -> typer.Exit:
    """Say that a command was interrupted and where it goes on; to be raised."""
    typer.echo(f"Interrupted; the same command goes on where it stopped ({place}).", err=True)
    return typer.Exit(130)
