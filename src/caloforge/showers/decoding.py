"""Rows of a chunked HDF5 dataset decoded by several threads, each chunk once, past the one lock of the HDF5 library."""

from __future__ import annotations

import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import h5py
import numpy as np
from deflate import zlib_decompress
from numpy.typing import NDArray

from caloforge.threads import available_threads

Array = NDArray[Any]
_GZIP, _SHUFFLE = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE
_WASTE = 4
"""Chunks with so many times the rows that are asked for are left to HDF5, which keeps them in its cache."""
_scratch = threading.local()


@dataclass(frozen=True)
class Chunks:
    """How a dataset lies in its file: the filters in the order of writing, each `gzip` or `shuffle`."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    filters: tuple[int, ...]

    @staticmethod
    def of(dataset: h5py.Dataset) -> Chunks | None:
        """The layout, where it is one that is decoded here: chunks, gzip with or without shuffle, plain numbers."""
        if dataset.chunks is None or sys.byteorder != "little" or dataset.dtype.kind not in "fiu":
            return None
        properties = dataset.id.get_create_plist()
        filters = tuple(properties.get_filter(index)[0] for index in range(properties.get_nfilters()))
        plain = dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype)
        if filters not in ((_GZIP,), (_SHUFFLE, _GZIP)) or not plain:
            return None
        return Chunks(dataset.shape, dataset.chunks, dataset.dtype, filters)

    def worth_it(self, start: int, stop: int) -> bool:
        """Whether the chunks with these rows hold few others."""
        rows = self.chunk[0]
        held = (-(-stop // rows) - start // rows) * rows
        return stop > start and held <= _WASTE * (stop - start)


def read_rows(dataset: h5py.Dataset, start: int, stop: int, threads: int | None = None) -> Array:
    """Rows start to stop of a dataset, the same as dataset[start:stop]; threads: all there are by default.

    Other filters, layouts and types, and chunks that cannot be decoded, are left to h5py, which raises what it finds.
    """
    layout = Chunks.of(dataset)
    if layout is None or not layout.worth_it(start, stop):
        return np.asarray(dataset[start:stop])
    out = np.empty((stop - start, *layout.shape[1:]), dtype=layout.dtype)
    first = start // layout.chunk[0] * layout.chunk[0]
    corners = list(
        product(
            range(first, stop, layout.chunk[0]),
            *(range(0, size, chunk) for size, chunk in zip(layout.shape[1:], layout.chunk[1:], strict=True)),
        )
    )
    workers = min(available_threads() if threads is None else threads, len(corners))
    work = partial(_decode, dataset, layout, out, start)
    try:
        if workers <= 1:
            for corner in corners:
                work(corner)
        else:
            with ThreadPoolExecutor(workers) as pool:
                shares = [corners[k::workers] for k in range(workers)]
                list(pool.map(lambda share: [work(corner) for corner in share], shares))
    except Exception:  # whatever is unusual about a chunk, h5py knows it or says what is wrong
        return np.asarray(dataset[start:stop])
    return out


def _decode(dataset: h5py.Dataset, layout: Chunks, out: Array, start: int, corner: tuple[int, ...]) -> None:
    """Put one chunk where it belongs in the rows from `start` on."""
    mask, raw = dataset.id.read_direct_chunk(corner)
    n = math.prod(layout.chunk)
    size = n * layout.dtype.itemsize
    last = len(layout.filters) - 1
    plain = raw if mask >> last & 1 else zlib_decompress(raw, size)
    if len(plain) != size:
        raise ValueError(f"a chunk holds {len(plain)} bytes, expected {size}")
    rows = slice(max(corner[0] - start, 0), min(corner[0] + layout.chunk[0] - start, len(out)))
    skip = rows.start + start - corner[0]
    place = (rows, *(slice(c, c + size) for c, size in zip(corner[1:], layout.chunk[1:], strict=True)))
    target = out[place]
    taken = tuple(slice(skip if axis == 0 else 0, None) for axis in range(target.ndim))
    shuffled = layout.filters[0] == _SHUFFLE and not mask & 1 and layout.dtype.itemsize > 1
    straight = shuffled and not skip and target.shape == layout.chunk and target.flags.c_contiguous
    if straight:
        _unshuffle(plain, target.reshape(-1))
        return
    if shuffled:
        buffer = _buffer(n, layout.dtype)
        _unshuffle(plain, buffer)
        values = buffer
    else:
        values = np.frombuffer(plain, dtype=layout.dtype)
    whole = values.reshape(layout.chunk)[taken]
    target[...] = whole[tuple(slice(0, length) for length in target.shape)]


def _buffer(n: int, dtype: np.dtype[Any]) -> Array:
    """Memory of this thread for n numbers, used again and again: pages are slow to come by."""
    held: NDArray[np.uint8] | None = getattr(_scratch, "bytes", None)
    if held is None or held.nbytes < n * dtype.itemsize:
        held = np.empty(n * dtype.itemsize, dtype=np.uint8)
        _scratch.bytes = held
    return held[: n * dtype.itemsize].view(dtype)


def _unshuffle(plain: bytes | bytearray, out: Array) -> None:
    planes = np.frombuffer(plain, dtype=np.uint8).reshape(out.dtype.itemsize, -1)
    if out.dtype.itemsize in (4, 8):
        from caloforge.showers import unshuffle_kernel

        if out.dtype.itemsize == 4:
            unshuffle_kernel.whole_4(planes, out.view(np.uint32))
        else:
            unshuffle_kernel.whole_8(planes, out.view(np.uint64))
    else:
        out.view(np.uint8).reshape(-1, out.dtype.itemsize)[...] = planes.T
