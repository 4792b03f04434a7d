"""The output folder: of one benchmark at a time, and of one benchmark only."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from caloforge.errors import CaloforgeError
from caloforge.timing.machine import machine
from caloforge.timing.results import FILE, Results

LOCK = ".benchmark.lock"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the folder; raises CaloforgeError where another benchmark holds it or it is full of something else."""
    if folder.exists() and not folder.is_dir():
        raise CaloforgeError(f"--out is {folder}, which is a file; give a folder.")
    if folder.is_dir() and not (folder / FILE).exists():
        strangers = sorted(path.name for path in folder.iterdir() if path.name not in (LOCK, "work"))
        if strangers:
            raise CaloforgeError(
                f"--out {folder} is in use by something else ({strangers[0]} lies there and no {FILE}); give an empty "
                "or new folder."
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise CaloforgeError(f"--out {folder} cannot be written ({error.strerror}); give another folder.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CaloforgeError(
                f"--out {folder} is in use by another benchmark that runs now; wait for it or give another folder."
            ) from error
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)


def earlier(folder: Path, asked: dict[str, Any]) -> Results | None:
    """What an interrupted run of the same benchmark left; raises CaloforgeError where the folder holds another one."""
    if not (folder / FILE).exists():
        return None
    found = Results.load(folder)
    before = {key: found.document.get(key) for key in asked}
    for part, wanted in asked.items():
        if before[part] != wanted:
            differing = _difference(before[part], wanted)
            raise CaloforgeError(
                f"--out {folder} holds another benchmark ({part}: {differing}); repeat its command to go on with it, "
                "or give another folder."
            )
    there, here = (str(each.get("processor")) for each in (found.document["machine"], machine()))
    if there != here:
        raise CaloforgeError(
            f"--out {folder} was begun on another machine ({there}; this is {here}), and times of two machines do not "
            "belong into one table; give another folder."
        )
    return found


def _difference(before: Any, wanted: Any) -> str:
    if isinstance(before, dict) and isinstance(wanted, dict):
        for key in sorted({*before, *wanted}):
            if before.get(key) != wanted.get(key):
                return f"{key} {before.get(key)} there, {wanted.get(key)} asked for"
    return f"{before} there, {wanted} asked for"
