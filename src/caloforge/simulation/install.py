"""Geant4's official data tables, fetched, checked and unpacked."""

from __future__ import annotations

import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from caloforge.errors import CaloforgeError
from caloforge.files import file_sha256
from caloforge.simulation.tables import DATA_SETS, DataSet

ADDRESS = "https://cern.ch/geant4-data/datasets"

_BLOCK = 1 << 20
_TIMEOUT = 60

Progress = Callable[[DataSet, int, int], None]
"""Called with the data set, bytes here so far and bytes in all (0 where the server does not say)."""


def chosen_sets(hadronic: bool, everything: bool) -> tuple[DataSet, ...]:
    """The data sets that electromagnetic showers need, hadronic ones too, or all."""
    wanted = ("em", "hadronic") if hadronic else ("em",)
    return tuple(each for each in DATA_SETS if everything or each.needed_for in wanted)


def install_sets(
    folder: Path, sets: Sequence[DataSet], progress: Progress | None = None, address: str = ADDRESS
) -> list[Path]:
    """Fetch data sets into folders below `folder`; those that are there stay. Returns the folders.

    An interrupted fetch goes on where it stopped. A data set appears under its name once its SHA-256 is right and it is
    unpacked whole. Raises CaloforgeError where the server cannot be reached, a checksum is wrong (nothing of that set
    is installed), or the disk is full.
    """
    found = []
    for each in sets:
        target = folder / each.folder
        if not target.is_dir():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                archive = _fetch(folder, each, progress or _quiet, address)
                _unpack(archive, target)
                archive.unlink()
            except OSError as error:
                raise CaloforgeError(
                    f"{target} could not be written ({error.strerror or error}); free some space or give --to FOLDER."
                ) from error
        found.append(target)
    return found


def _fetch(folder: Path, each: DataSet, progress: Progress, address: str) -> Path:
    """The archive of a data set with the right checksum, fetched or taken up from where it stopped."""
    archive = folder / f".{each.file}.part"
    url = f"{address}/{each.file}"
    digest = _fetch_once(archive, url, each, progress)
    if digest != each.sha256:
        archive.unlink()
        raise CaloforgeError(
            f"{url} has the SHA-256 {digest}, but {each.sha256} is expected; nothing was installed: try again, and if "
            "it stays so, do not use the file."
        )
    return archive


def _fetch_once(archive: Path, url: str, each: DataSet, progress: Progress) -> str:
    have = archive.stat().st_size if archive.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            have = have if answer.status == 206 else 0
            total = have + int(answer.headers.get("Content-Length") or 0)
            with archive.open("ab" if have else "wb") as file:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    have += len(block)
                    progress(each, have, total)
        if have < total:
            raise CaloforgeError(f"{url} broke off after {have:,} of {total:,} bytes; the same command goes on there.")
    except urllib.error.HTTPError as error:
        if error.code != 416:  # all of it is here already
            raise CaloforgeError(f"{url} was refused ({error}); try again later, or fetch it by hand.") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        why = getattr(error, "reason", error)
        raise CaloforgeError(
            f"{url} could not be fetched ({why}); the same command goes on where it stopped."
        ) from error
    return file_sha256(archive)


def _unpack(archive: Path, target: Path) -> None:
    """Unpack beside the target and rename."""
    beside = target.with_name(f".{target.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(beside, filter="data")
        inside = beside / target.name
        if not inside.is_dir():
            raise CaloforgeError(
                f"{archive} does not hold the folder {target.name}; nothing was installed: remove it and try again."
            )
        inside.rename(target)
    except tarfile.TarError as error:
        raise CaloforgeError(
            f"{archive} cannot be unpacked ({error}); nothing was installed: remove it and try again."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _quiet(each: DataSet, have: int, total: int) -> None:
    pass
