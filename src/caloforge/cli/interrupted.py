"""An interruption of a command that goes on where it stopped: one line, and exit code 130."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


@contextmanager
def resumable(place: Path | str) -> Iterator[None]:
    """Within the block, Ctrl-C is said with the place where the command goes on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        typer.echo(f"Interrupted; the same command goes on where it stopped ({place}).", err=True)
        raise typer.Exit(130) from interrupt
