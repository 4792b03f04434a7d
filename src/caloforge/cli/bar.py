"""The progress bar of a command: on standard error, and only where somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


def bar_of(*columns: ProgressColumn, quiet: bool) -> Progress:
    """A bar of these columns, not yet started; it shows nothing where standard error is no terminal, or if `quiet`."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=quiet or not console.is_terminal)
