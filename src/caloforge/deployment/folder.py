"""A folder that appears whole or not at all, and that one process at a time writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from caloforge.errors import CaloforgeError


@contextmanager
def new_folder(path: Path | str) -> Iterator[Path]:
    """A folder beside `path` to write into; renamed to `path` when the block ends well, removed otherwise.

    Raises CaloforgeError where `path` exists, or another process that lives is writing it.
    """
    path = Path(path)
    if path.exists():
        raise CaloforgeError(f"{path} exists; choose another folder, or remove it first.")
    beside = path.with_name(f".{path.name}.part")
    owner = beside / "writer.pid"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.mkdir()
        except FileExistsError:
            if _lives(owner):
                raise CaloforgeError(
                    f"{path} is being written by process {owner.read_text().strip()}; wait for it, or choose another "
                    "folder."
                ) from None
            shutil.rmtree(beside)
            beside.mkdir()
        owner.write_text(f"{os.getpid()}\n")
    except OSError as error:
        raise CaloforgeError(
            f"{path} could not be written ({error.strerror or error}); choose another folder."
        ) from error
    try:
        yield beside
        owner.unlink()
        os.replace(beside, path)
    except OSError as error:
        raise CaloforgeError(
            f"{path} could not be written ({error.strerror or error}); free some space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _lives(owner: Path) -> bool:
    try:
        os.kill(int(owner.read_text()), 0)
    except (OSError, ValueError):
        return False
    return True
