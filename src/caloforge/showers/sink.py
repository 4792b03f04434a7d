"""The file under an HDF5 file that is being written, which takes a full disk calmly."""

from __future__ import annotations

import io
from pathlib import Path


class Sink(io.RawIOBase):
    """A file that remembers the first error of writing instead of raising it, and drops what follows.

    HDF5 cannot close a file that it cannot write, and crashes when the process ends. Here it closes in peace, and
    `check` tells of the error.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def check(self) -> None:
        """Raise the remembered error."""
        if self.error is not None:
            raise self.error

    def write(self, data: object, /) -> int:
        """Write all of it, or remember why not."""
        rest = memoryview(data).cast("B")  # type: ignore[arg-type]
        size = len(rest)
        try:
            while self.error is None and len(rest):
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as error:
            self.error = error
        return size

    def readinto(self, buffer: object, /) -> int:
        """Read; zeros where writing has failed."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        got = self._file.readinto(view) or 0
        view[got:] = bytes(len(view) - got)
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Cut or lengthen the file, or remember why not."""
        try:
            return self._file.truncate(size) if self.error is None else 0
        except OSError as error:
            self.error = error
            return 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place in the file."""
        return self._file.tell()

    def readable(self) -> bool:
        """Yes."""
        return True

    def writable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close, and remember an error that comes only now (network file systems)."""
        try:
            self._file.close()
        except OSError as error:
            self.error = self.error or error
        super().close()
