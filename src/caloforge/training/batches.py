"""Batch sources that need nothing but tensors, and the one for objectives without data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from caloforge.generative.contracts import Batch
from caloforge.randomness import numpy_generator


class TensorBatches:
    """Batches of named tensors held in memory, shuffled anew in each epoch by (seed, epoch).

    tensors     named, all with the same first dimension N
    batch_size  rows in a batch; the last batch of an epoch holds the rest
    shuffle     False keeps the order (validation)
    """

    def __init__(self, tensors: Mapping[str, Tensor], batch_size: int, seed: int = 0, shuffle: bool = True) -> None:
        lengths = {len(value) for value in tensors.values()}
        if len(lengths) != 1 or 0 in lengths or batch_size < 1:
            raise ValueError(f"tensors need one length above 0, batches a row or more: {sorted(lengths)}, {batch_size}")
        self.tensors, self.batch_size, self.seed, self.shuffle = dict(tensors), batch_size, seed, shuffle
        self.rows = lengths.pop()

    def __len__(self) -> int:
        return -(-self.rows // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on."""
        order = torch.arange(self.rows)
        if self.shuffle:
            order = torch.from_numpy(numpy_generator(self.seed, "shuffle", epoch).permutation(self.rows))
        for first in range(start * self.batch_size, self.rows, self.batch_size):
            rows = order[first : first + self.batch_size]
            yield {name: value[rows] for name, value in self.tensors.items()}


class NoData:
    """Empty batches, for objectives that draw what they need: `updates` of them make an epoch."""

    def __init__(self, updates: int) -> None:
        self.updates = updates

    def __len__(self) -> int:
        return self.updates

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Empty batches from batch `start` on."""
        for _ in range(start, self.updates):
            yield {}
