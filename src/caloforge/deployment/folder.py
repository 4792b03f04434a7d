"""A folder that appears whole or not at all, and that one process at a time writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caloforge.errors import CaloforgeError
from caloforge.files import renamed, unwritten

OWNER = "writer.pid"
"""File within the folder that holds the writing process's number until the folder is whole."""


@contextmanager
def new_folder(path: Path | str) -> Iterator[Path]:
    """A folder beside `path` to write into; renamed to `path` when the block ends well, removed otherwise.

    Raises CaloforgeError where `path` exists, or another process that lives is writing it.
    """
    path = Path(path)
    if path.exists():
        raise CaloforgeError(f"{path} exists; choose another folder, or remove it first.")
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _claim(beside, path)
    except OSError as error:
        raise unwritten(path, error) from error
    with renamed(beside, path):
        yield beside
        (beside / OWNER).unlink()


def _claim(beside: Path, path: Path) -> None:
    """Make the folder `beside` this process's own; one that an ended process left is emptied.

    Raises CaloforgeError where its owner lives.
    """
    owner = beside / OWNER
    try:
        beside.mkdir()
    except FileExistsError:
        if _lives(owner):
            raise CaloforgeError(
                f"{path} is being written by process {owner.read_text(encoding='ascii').strip()}; wait for it, or "
                "choose another folder."
            ) from None
        shutil.rmtree(beside)
        beside.mkdir()
    owner.write_text(f"{os.getpid()}\n", encoding="ascii")


def _lives(owner: Path) -> bool:
    """Whether the process whose number the file holds runs, be it another user's."""
    try:
        os.kill(int(owner.read_text(encoding="ascii")), 0)
    except PermissionError:
        return owner.is_file()
    except (OSError, ValueError):
        return False
    return True
