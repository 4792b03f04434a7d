"""Warnings as one plain line on stderr."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Within the block, each warning is said at once as 'warning: ...' without the place in the code."""
    import typer

    def show(message: Warning | str, *_: object, **__: object) -> None:
        typer.echo(f"warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
