"""Files are written beside their place and renamed, so that none is ever half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from caloforge.errors import CaloforgeError


@contextmanager
def replaced(path: Path | str) -> Iterator[Path]:
    """A path beside `path` to write to; renamed to `path` when the block ends well, removed otherwise.

    Raises CaloforgeError where the disk is full or the folder cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise CaloforgeError(
            f"{path} could not be written ({error.strerror or error}); free some space or choose another folder."
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write text to a file, all or nothing."""
    with replaced(path) as beside:
        beside.write_text(text, encoding="utf-8")
