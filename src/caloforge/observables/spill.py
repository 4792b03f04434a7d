"""Large tables that live in a temporary file without a name, so that memory does not grow with the showers."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from caloforge.errors import CaloforgeError

SPILL_BYTES = 16 << 20
"""A larger table goes to a file."""


def scratch(shape: tuple[int, ...], dtype: DTypeLike, spill_bytes: int | None = None) -> NDArray[Any]:
    """An array of zeros; one of more than `spill_bytes` (SPILL_BYTES) lies in an unlinked file of the temporary folder.

    The file vanishes with the array, also where the process is killed. Raises CaloforgeError where the disk is full.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= (SPILL_BYTES if spill_bytes is None else spill_bytes):
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="caloforge-") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            memory = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise CaloforgeError(
            f"{size / 1e9:.2f} GB for the features of the showers did not fit into {tempfile.gettempdir()} "
            f"({error.strerror or error}); free some space, or set TMPDIR to another folder."
        ) from error
    return np.frombuffer(memory, dtype=dtype).reshape(shape)
