"""Shower files written by streaming, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
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
from caloforge.showers.sink import Sink
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
        self._waiting: dict[str, Array] = {}
        self._names: list[str] = []
        self._rows = self._chunk = 0
        self._replaced: AbstractContextManager[Path] | None = None
        self._file: h5py.File | None = None
        self._sink: Sink | None = None

    def __len__(self) -> int:
        return self._rows

    def __enter__(self) -> ShowerWriter:
        self._replaced = replaced(self.path)
        try:
            self._sink = Sink(self._replaced.__enter__())
        except OSError as error:
            raise CaloforgeError(
                f"{self.path} could not be written ({error.strerror or error}); choose another folder."
            ) from error
        self._file = h5py.File(self._sink, "w")
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
        check_values(showers, f"The data for {self.path}", self._rows)
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
        if self._waiting:
            arrays = {name: np.concatenate([self._waiting[name], array]) for name, array in arrays.items()}
        self._rows += len(showers)
        rows = len(arrays[self._names[0]])
        whole = rows // self._chunk * self._chunk
        for start in range(0, whole, self._chunk):
            self._write(arrays, start, start + self._chunk)
        # a copy, so that the caller may use its arrays again
        self._waiting = {name: array[whole:].copy() for name, array in arrays.items()}

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

    def _write(self, arrays: Mapping[str, Array], start: int, stop: int) -> None:
        """Write rows of all datasets; one chunk at a time, so that its place in the file is always the same."""
        assert self._file is not None and self._sink is not None
        for name in self._names:
            dataset = self._file[name]
            end = len(dataset)
            dataset.resize(end + stop - start, axis=0)
            dataset[end:] = arrays[name][start:stop]
        self._sink.check()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None and self._sink is not None and self._replaced is not None
        caught = error
        try:
            if error is None and self._rows:
                self._write(self._waiting, 0, len(self._waiting[self._names[0]]))
        except BaseException as late:
            error = late
        self._file.close()
        self._sink.close()
        self._file = None
        if error is None and not self._rows:
            error = CaloforgeError(f"No showers were given for {self.path}; nothing was written.")
        failed = self._sink.error or error  # what the disk says comes first
        if failed is None:
            self._replaced.__exit__(None, None, None)
        elif not self._replaced.__exit__(type(failed), failed, failed.__traceback__) and failed is not caught:
            raise failed


def write_showers(
    path: Path | str, showers: Showers, attributes: Mapping[str, Any] | None = None, format: str = "calochallenge"
) -> None:
    """Write showers to a new file, all or nothing; see `ShowerWriter`."""
    with ShowerWriter(path, showers.detector, attributes, format=format) as writer:
        writer.append(showers)
