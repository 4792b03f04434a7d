"""Shower files written by streaming, all or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from caloforge.detectors import Detector, to_json
from caloforge.errors import CaloforgeError
from caloforge.files import replaced
from caloforge.showers.checks import check_values
from caloforge.showers.container import Array, Showers
from caloforge.showers.formats import FORMATS
from caloforge.showers.store import DETECTOR_JSON, ShowerFile

_CHUNK_BYTES = 1 << 20
_OWN = ("detector", "detector_fingerprint", "energy_unit")


class ShowerWriter:
    """Append showers to a new file; it appears under its name when the `with` block ends well, and never half-written.

    Rows are stored in chunks of about 1 MiB that hold whole showers, so that reading and shuffling by chunks is fast;
    the bytes do not depend on how many showers are appended at a time. CaloChallenge's own tools read the result.

    attributes:  what is kept beside the showers (particle, provenance); texts and numbers.
    compression: "gzip", "lzf" (faster, larger) or None.
    format:      as in `open_showers`.

    Raises CaloforgeError for other detectors than the writer's, values that a reader would refuse, parts with other
    conditions or extras, no showers at all, and a disk that is full or cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        detector: Detector,
        attributes: Mapping[str, Any] | None = None,
        compression: str | None = "gzip",
        format: str = "calochallenge",
    ) -> None:
        if compression not in ("gzip", "lzf", None):
            raise CaloforgeError(f"compression is '{compression}', but 'gzip', 'lzf' or None is expected.")
        self.path, self.detector = Path(path), detector
        self._attributes, self._compression, self._format = dict(attributes or {}), compression, FORMATS[format]
        self._waiting: list[dict[str, Array]] = []
        self._rows = self._waiting_rows = self._chunk = 0
        self._replaced: AbstractContextManager[Path] | None = None
        self._file: h5py.File | None = None

    def __len__(self) -> int:
        return self._rows

    def __enter__(self) -> ShowerWriter:
        self._replaced = replaced(self.path)
        beside = self._replaced.__enter__()
        try:
            self._file = h5py.File(beside, "w", locking=False)
        except OSError as error:
            self._leave(_plainer(error))
            raise
        return self

    def append(self, showers: Showers) -> None:
        """Add showers at the end."""
        if self._file is None:
            raise CaloforgeError(f"The writer of {self.path} is not open; use it in a `with` block.")
        if showers.detector.fingerprint() != self.detector.fingerprint():
            raise CaloforgeError(
                f"{self.path} holds showers of '{self.detector.name}', but those to be added are of "
                f"'{showers.detector.name}'; write them to a file of their own."
            )
        if not len(showers):
            return
        check_values(showers, f"What is to be written to {self.path}", self._rows)
        if self._format.incident_unit == "GeV":
            showers = replace(showers, incident_energy_mev=showers.incident_energy_mev / 1000)
        arrays = self._format.encode(showers)
        if not self._rows:
            self._create(arrays)
        elif {name: a.shape[1:] for name, a in arrays.items()} != {n: self._file[n].shape[1:] for n in self._names}:
            raise CaloforgeError(
                f"{self.path} holds {', '.join(self._names)}, but the showers to be added have {', '.join(arrays)}, "
                "or other shapes; give all parts the same conditions and extras."
            )
        # a copy, so that the caller may use its arrays again
        self._waiting.append({name: np.array(array) for name, array in arrays.items()})
        self._rows += len(showers)
        self._waiting_rows += len(showers)
        if self._waiting_rows >= self._chunk:
            self._write(self._waiting_rows // self._chunk * self._chunk)

    def copy(self, source: ShowerFile, names: Sequence[str]) -> None:
        """Copy datasets of another shower file that have not one row per shower, as they are stored."""
        if self._file is None:
            raise CaloforgeError(f"The writer of {self.path} is not open; use it in a `with` block.")
        for name in names:
            source.copy_dataset(name, self._file)

    def _create(self, arrays: Mapping[str, Array]) -> None:
        assert self._file is not None
        self._names = list(arrays)
        largest = max(array[:1].nbytes for array in arrays.values())
        self._chunk = int(np.clip(_CHUNK_BYTES // max(1, largest), 1, 1000))
        for name, array in arrays.items():
            self._file.create_dataset(
                name,
                shape=(0, *array.shape[1:]),
                maxshape=(None, *array.shape[1:]),
                chunks=(self._chunk, *array.shape[1:]),
                dtype=array.dtype,
                compression=self._compression,
                shuffle=self._compression is not None,
            )
        self._file[DETECTOR_JSON] = to_json(self.detector)
        units = "MeV" if self._format.incident_unit == "MeV" else "MeV, incident energies in GeV"
        own = {
            "detector": self.detector.name,
            "detector_fingerprint": self.detector.fingerprint(),
            "energy_unit": units,
        }
        defaults = {"particle": self.detector.particle} if self.detector.particle else {}
        for name, value in (defaults | self._attributes | own).items():
            self._file.attrs[name] = value

    def _write(self, rows: int) -> None:
        """Write the first `rows` waiting rows."""
        assert self._file is not None
        for name in self._names:
            array = np.concatenate([part[name] for part in self._waiting])
            dataset = self._file[name]
            end = len(dataset)
            dataset.resize(end + rows, axis=0)
            dataset[end:] = array[:rows]
            for part in self._waiting:
                del part[name]
            self._waiting[0][name] = array[rows:].copy()
        del self._waiting[1:]
        self._waiting_rows -= rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                if not self._rows:
                    raise CaloforgeError(f"No showers were given for {self.path}; nothing was written.")
                if self._waiting_rows:
                    self._write(self._waiting_rows)
                assert self._file is not None
                self._file.close()
            except BaseException as late:
                error = late
                self._leave(_plainer(late))
                raise
            self._leave(None)
            return
        self._leave(_plainer(error))

    def _leave(self, error: BaseException | None) -> None:
        """Close the file, then rename it, or remove it and raise `error` as the user is to see it."""
        if self._file is not None and error is not None:
            with suppress(OSError, RuntimeError):  # the first error is the one to tell
                self._file.close()
        self._file = None
        assert self._replaced is not None
        self._replaced.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)


def write_showers(
    path: Path | str, showers: Showers, attributes: Mapping[str, Any] | None = None, format: str = "calochallenge"
) -> None:
    """Write showers to a new file, all or nothing; see `ShowerWriter`."""
    with ShowerWriter(path, showers.detector, attributes, format=format) as writer:
        writer.append(showers)


def _plainer(error: BaseException) -> BaseException:
    """h5py's OSError with the system's words alone."""
    if not isinstance(error, OSError) or error.strerror:
        return error
    words = re.search(r"error message = '([^']*)'", str(error))
    return OSError(error.errno or 0, words.group(1) if words else str(error).splitlines()[0][:200])
