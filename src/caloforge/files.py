"""Files and folders are written beside their place and renamed, so that none is ever half-written."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from caloforge.errors import CaloforgeError


@contextmanager
def replaced(path: Path | str) -> Iterator[Path]:
    """A path beside `path` for a file or a folder; renamed to `path` when the block ends well, removed otherwise.

    A file takes the place of an older one, a folder needs its place free. Raises CaloforgeError where the disk is full
    or the folder cannot be written.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with renamed(beside, path):
        yield beside


@contextmanager
def renamed(beside: Path, path: Path) -> Iterator[None]:
    """What the block writes at `beside` becomes `path` when it ends well, and is removed otherwise.

    Raises CaloforgeError as `replaced`, which chooses the name itself.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
        os.replace(beside, path)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write text to a file, all or nothing."""
    with replaced(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_together(folder: Path | str, contents: Iterable[tuple[str, bytes]]) -> None:
    """Write files that belong together: all of them beside their places first, then renamed one directly after another.

    contents: paths within the folder, which they replace in this order, with what each file holds; taken one by one.
    An end before the last of them is made leaves every older file as it was; only one between two renames can mix old
    and new. Raises CaloforgeError where the disk is full or the folder cannot be written.
    """
    folder = path = Path(folder)
    beside = folder / f".{os.getpid()}.part"
    made = []
    try:
        for name, content in contents:
            path = folder / name
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).write_bytes(content)
            made.append(name)
        for name in made:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(beside / name, path)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits; raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unwritten(path: Path, error: OSError) -> CaloforgeError:
    """What to raise where a file or folder could not be written."""
    return CaloforgeError(
        f"{path} could not be written ({error.strerror or error}); free some space or choose another folder."
    )
