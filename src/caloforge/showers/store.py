"""Shower files read lazily: rows come into memory only when asked for, whatever the size of the file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from caloforge.detectors import PRESETS, Detector, from_json, load_detector, preset
from caloforge.errors import CaloforgeError
from caloforge.showers.checks import check_values, warn_of_units
from caloforge.showers.container import Array, Showers
from caloforge.showers.decoding import read_rows
from caloforge.showers.formats import FORMATS, Format

DETECTOR_JSON = "detector_json"
"""Scalar dataset with the detector's JSON, which caloforge writes beside the showers."""
_CACHE_BYTES, _BLOCK_BYTES = 64 << 20, 64 << 20
GEV = ("none", "incident", "deposits", "all")


def open_showers(
    path: Path | str, detector: Detector | str | None = None, format: str | None = None, gev: str = "none"
) -> ShowerFile:
    """Open a shower file without reading its showers.

    detector: a Detector, a preset's name or a detector file; by default what the file says of itself, else the preset
              with as many voxels.
    format:   "calochallenge", "calogan", "par04", "getting-high" or what entry points add; found by itself by default.
    gev:      which energies are in GeV although the format says MeV: "none", "incident", "deposits" or "all".

    Raises CaloforgeError for files that are missing, empty, truncated or no HDF5, for missing datasets, unequal
    lengths and voxel counts that do not fit; warns (UnitWarning) of energies that look like GeV.
    """
    return ShowerFile(path, detector, format, gev)


class ShowerFile:
    """A shower file on disk, read by rows. It can be pickled; every process opens the file for itself."""

    path: Path
    format: Format
    detector: Detector
    attributes: dict[str, Any]
    """What the file says of itself."""
    other_columns: list[str]
    """Further datasets with one row per shower, which become conditions and extras."""
    other_datasets: list[str]
    """Datasets that have not one row per shower, which are not read."""
    first_row: int
    """Row of the file that is row 0 here: 0, unless `between` chose."""

    def __init__(
        self, path: Path | str, detector: Detector | str | None = None, format: str | None = None, gev: str = "none"
    ) -> None:
        self.path = Path(path)
        self._handle: h5py.File | None = None
        self._process = -1
        if gev not in GEV:
            raise CaloforgeError(f"gev is '{gev}', but one of {', '.join(GEV)} is expected.")
        file = self._file()
        sets = _datasets(file)
        self.attributes = {name: _plain(value) for name, value in file.attrs.items()}
        self.format = FORMATS[format] if format is not None else self._recognise(list(sets))
        self._check_required(sets)
        self._length: int = int(sets[self.format.required[0]].shape[0])
        self.first_row = 0
        self._shapes = {name: dataset.shape for name, dataset in sets.items()}
        self._columns = [
            name for name, d in sets.items() if d.ndim and d.shape[0] == self._length and d.dtype.kind in "fiub"
        ]
        own = {*self._columns, *self.format.required, DETECTOR_JSON}
        self.other_columns = [name for name in self._columns if name not in self.format.required]
        self.other_datasets = [name for name in sets if name not in own]
        self.detector = self._choose(detector, file)
        self._incident_factor = 1000.0 if self.format.incident_unit == "GeV" or gev in ("incident", "all") else 1.0
        self._deposit_factor = 1000.0 if gev in ("deposits", "all") else 1.0
        main = max((sets[name] for name in self.format.required), key=lambda d: int(np.prod(d.shape[1:])))
        row_bytes = max(1, int(np.prod(main.shape[1:])) * main.dtype.itemsize)
        self._block: int = max(1, min(main.chunks[0] if main.chunks else 1000, _BLOCK_BYTES // row_bytes))
        warn_of_units(self._decode(0, min(20, self._length)), str(self.path))

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"ShowerFile({str(self.path)!r}: {len(self)} showers of {self.detector.name}, {self.format.name})"

    @property
    def block_rows(self) -> int:
        """Rows that are stored, and best read, together."""
        return self._block

    def read(self, start: int = 0, stop: int | None = None, threads: int | None = None) -> Showers:
        """The showers of rows start to stop (the end by default), checked; fastest along `block_rows`.

        threads: that decode the chunks of the file, by default as many as there are cores.

        Raises CaloforgeError for deposits that are NaN, infinite or negative, and for a damaged file.
        """
        start, stop, _ = slice(start, stop).indices(len(self))
        showers = self._decode(start, max(start, stop), threads)
        check_values(showers, str(self.path), self.first_row + start)
        return showers

    def read_rows(self, rows: Array) -> Showers:
        """The showers of an array of row numbers, in its order; fast where many of them lie in the same blocks.

        Raises CaloforgeError for rows that do not exist and as `read`.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise CaloforgeError(f"Rows {rows.min()} to {rows.max()} were asked of {self.path}, which has {len(self)}.")
        if not rows.size:
            return self._decode(0, 0)
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        parts = []
        for block in np.split(ordered, np.flatnonzero(np.diff(ordered // self._block)) + 1):
            first = int(block[0])
            parts.append(self._decode(first, int(block[-1]) + 1)[block - first])
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        showers = Showers.concatenate(parts)
        check_values(showers, str(self.path), self.first_row + ordered)
        return showers if np.array_equal(back, np.arange(len(back))) else showers[back]

    def chunks(self, rows: int = 1000, start: int = 0, stop: int | None = None) -> Iterator[Showers]:
        """All showers from start to stop in order, `rows` at a time; memory does not grow with the file."""
        start, stop, _ = slice(start, stop).indices(len(self))
        held, reached = None, start  # showers that are read but not given yet, and where they end
        for first in range(start, stop, rows):
            last = min(first + rows, stop)
            parts = [held] if held is not None else []
            if reached < last:
                ahead = min(-(-last // self._block) * self._block, stop)
                parts.append(self.read(reached, ahead))
                reached = ahead
            showers = parts[0] if len(parts) == 1 else Showers.concatenate(parts)
            yield showers[: last - first] if len(showers) > last - first else showers
            held = showers[last - first :] if len(showers) > last - first else None

    def between(self, start: int, stop: int) -> ShowerFile:
        """The same file as if it had only the rows start to stop, read as lazily.

        Raises CaloforgeError where it has no such rows.
        """
        if not 0 <= start < stop <= len(self):
            raise CaloforgeError(
                f"Rows {start} to {stop} were asked of {self.path}, which has {len(self)}; choose rows within 0 to "
                f"{len(self)}."
            )
        part = copy(self)
        part._handle, part._process = None, -1
        part.first_row, part._length = self.first_row + start, stop - start
        return part

    def copy_dataset(self, name: str, target: h5py.File) -> None:
        """Copy a dataset to another open file as it is stored, in constant memory."""
        self._file().copy(name, target, name)

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._handle is not None and self._process == os.getpid():
            self._handle.close()
        self._handle = None

    def __enter__(self) -> ShowerFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_handle": None, "_process": -1}

    def _file(self) -> h5py.File:
        if self._handle is None or self._process != os.getpid():
            self._handle, self._process = open_hdf5(self.path), os.getpid()
        return self._handle

    def _decode(self, start: int, stop: int, threads: int | None = None) -> Showers:
        file = self._file()
        start, stop = start + self.first_row, stop + self.first_row
        try:
            arrays = {name: read_rows(file[name], start, stop, threads) for name in self._columns}
        except (OSError, RuntimeError) as error:
            raise CaloforgeError(
                f"{self.path} is damaged: rows {start} to {stop} cannot be read ({_first_line(error)}); fetch it again."
            ) from error
        showers = self.format.decode(arrays, self.detector)
        if self._incident_factor != 1:
            showers = replace(showers, incident_energy_mev=showers.incident_energy_mev * self._incident_factor)
        if self._deposit_factor != 1:
            showers = replace(showers, deposits_mev=showers.deposits_mev * self._deposit_factor)
        return showers

    def _recognise(self, names: list[str]) -> Format:
        found = next((FORMATS[name] for name in FORMATS.names() if FORMATS[name].recognises(names)), None)
        if found is None and "showers" in names:
            found = FORMATS["calochallenge"]
        if found is None:
            wanted = "; ".join(f"{name}: {', '.join(FORMATS[name].required)}" for name in FORMATS.names())
            raise CaloforgeError(
                f"{self.path} holds {_list(names)}, which is no known format ({wanted}); name its format or convert it."
            )
        return found

    def _check_required(self, sets: Mapping[str, h5py.Dataset]) -> None:
        for name in self.format.required:
            if name not in sets:
                raise CaloforgeError(
                    f"{self.path} lacks the dataset '{name}' of the {self.format.name} format (it holds "
                    f"{_list(list(sets))}); add it, or name another format."
                )
            if sets[name].dtype.kind not in "fiu" or sets[name].ndim == 0:
                raise CaloforgeError(
                    f"The dataset '{name}' of {self.path} has the type {sets[name].dtype} and the shape "
                    f"{sets[name].shape}; numbers with one row per shower are expected."
                )
        lengths = {name: sets[name].shape[0] for name in self.format.required}
        if len(set(lengths.values())) > 1:
            text = ", ".join(f"'{name}' {length}" for name, length in lengths.items())
            raise CaloforgeError(
                f"The datasets of {self.path} have unequal lengths ({text}); one row per shower is expected."
            )
        if not next(iter(lengths.values())):
            raise CaloforgeError(f"{self.path} holds no showers (its datasets have no rows); write it again.")
        energy = sets[self.format.required[0]].shape
        if int(np.prod(energy[1:])) != 1:
            raise CaloforgeError(
                f"The dataset '{self.format.required[0]}' of {self.path} has the shape {energy}; one energy "
                "per shower, (N,) or (N, 1), is expected."
            )

    def _choose(self, given: Detector | str | None, file: h5py.File) -> Detector:
        try:
            count = self.format.n_voxels(self._shapes)
        except CaloforgeError as error:
            raise CaloforgeError(f"In {self.path} {error}; convert it, or name another format.") from None
        matching = [name for name in PRESETS if self.format.fits(self._shapes, preset(name))]
        known = f"as many as {' and '.join(matching)}" if matching else "which fits no preset"
        if given is not None:
            detector = given if isinstance(given, Detector) else load_detector(given)
        else:
            own = self._own_detector(file)
            if own is None and len(matching) != 1:
                counts = ", ".join(f"{name} {preset(name).n_voxels}" for name in PRESETS)
                raise CaloforgeError(
                    f"{self.path} has {count} voxels per shower, {known} detector ({counts}); name the detector "
                    "or give its JSON file."
                    if not matching
                    else f"{self.path} has {count} voxels per shower, {known}; name the detector."
                )
            detector = own if own is not None else preset(matching[0])
        if not self.format.fits(self._shapes, detector):
            shapes = f" in {detector.n_layers} layers" if count == detector.n_voxels else ""
            raise CaloforgeError(
                f"{self.path} has {count} voxels per shower, {known}, but the detector '{detector.name}' "
                f"has {detector.n_voxels}{shapes}; name the detector that the file was made for."
            )
        return detector

    def _own_detector(self, file: h5py.File) -> Detector | None:
        if DETECTOR_JSON in file:
            return from_json(_plain(file[DETECTOR_JSON][()]), f"The detector in {self.path}")
        name = self.attributes.get("detector")
        return preset(name) if isinstance(name, str) and name in PRESETS else None


def open_hdf5(path: Path) -> h5py.File:
    """The HDF5 file, open for reading; raises CaloforgeError where it is missing, empty, cut or something else."""
    try:
        if path.is_dir():
            raise CaloforgeError(f"{path} is a folder; give the path of an HDF5 file.")
        if path.stat().st_size == 0:
            raise CaloforgeError(f"{path} is empty (0 bytes); fetch or write it again.")
        return h5py.File(path, "r", locking=False, rdcc_nbytes=_CACHE_BYTES)
    except FileNotFoundError as error:
        raise CaloforgeError(f"{path} does not exist; check the path.") from error
    except PermissionError as error:
        raise CaloforgeError(f"{path} may not be read; ask its owner for the right to read it.") from error
    except OSError as error:
        text = str(error)
        if "truncated" in text:
            raise CaloforgeError(f"{path} is truncated (its end is missing); fetch or write it again.") from error
        if "signature" in text:
            raise CaloforgeError(f"{path} is not an HDF5 file; give a shower file in HDF5.") from error
        why = _first_line(error)
        raise CaloforgeError(f"{path} cannot be read as HDF5 ({why}); fetch or write it again.") from error


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _list(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:8]) if names else "no datasets"
