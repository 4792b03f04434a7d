"""Random streams derived from one seed, independent of the number of workers and of interruptions."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np


def stream_seed(seed: int, purpose: str, *indices: int) -> int:
    """Seed of the stream for one purpose: a 63-bit integer from (seed, purpose, indices), e.g. stage, step, rank."""
    key = ":".join([str(seed), purpose, *(str(index) for index in indices)])
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little") >> 1


def numpy_generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """NumPy generator of the stream (seed, purpose, indices)."""
    return np.random.default_rng(stream_seed(seed, purpose, *indices))
