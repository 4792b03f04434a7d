"""The order in which a file's rows are visited in training: shuffled by chunks, so that reading stays sequential."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.randomness import numpy_generator


def shuffled_chunks(
    n_rows: int, chunk_rows: int, buffer_chunks: int, seed: int, epoch: int
) -> Iterator[NDArray[np.int64]]:
    """Row numbers of one epoch, each exactly once: `buffer_chunks` chunks drawn at random, their rows mixed.

    Yields one array per buffer, for `ShowerFile.read_rows`. Equal arguments give equal orders in every process; a
    buffer of all chunks is a perfect shuffle.

    Raises CaloforgeError for numbers that are not positive.
    """
    if min(n_rows, chunk_rows, buffer_chunks) < 1:
        raise CaloforgeError(
            f"n_rows {n_rows}, chunk_rows {chunk_rows} and buffer_chunks {buffer_chunks} must be at least 1."
        )
    draw = numpy_generator(seed, "shuffled-chunks", epoch)
    chunks = draw.permutation(-(-n_rows // chunk_rows))
    for first in range(0, len(chunks), buffer_chunks):
        taken = chunks[first : first + buffer_chunks]
        rows = np.concatenate([np.arange(c * chunk_rows, min((c + 1) * chunk_rows, n_rows)) for c in taken])
        yield draw.permutation(rows).astype(np.int64)
