"""Batches made ready for an objective, several at once where it asks for that."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice

import torch

from caloforge.generative.contracts import Batch, Objective
from caloforge.randomness import numpy_generator
from caloforge.training.ahead import ahead

Pool = tuple[int, Sequence[Batch]]
"""Consecutive batches that are prepared together, and the number of the first."""


def pools(batches: Iterable[Batch], first: int, size: int) -> Iterator[Pool]:
    """Consecutive batches in pools of `size`, numbered from `first`; the last pool may be smaller."""
    source = iter(batches)
    while pool := list(islice(source, size)):
        yield first, pool
        first += len(pool)


def prepared(
    objective: Objective, pools: Iterable[Pool], seed: int, purpose: str, rank: int, workers: int
) -> Generator[tuple[int, Batch], None, None]:
    """Batches that went through `objective.prepare`, and their numbers, computed ahead by `workers` threads.

    A pool's randomness is that of (seed, purpose, number of its first batch, rank): the number of workers, or where the
    iteration began, changes nothing.
    """

    def prepare(pool: Pool) -> list[tuple[int, Batch]]:
        first, batches = pool
        rng = numpy_generator(seed, purpose + " batch", first, rank)
        if len(batches) == 1:
            return [(first, objective.prepare(batches[0], rng))]
        return list(enumerate(_split(objective.prepare(_joined(batches), rng), batches), first))

    with closing(ahead(pools, prepare, workers)) as ready:
        for pool in ready:
            yield from pool


def _joined(batches: Sequence[Batch]) -> Batch:
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def _split(pool: Batch, batches: Sequence[Batch]) -> Iterator[Batch]:
    """The pool's rows in batches as large as they came."""
    sizes = [len(next(iter(batch.values()))) for batch in batches]
    parts = {name: torch.split(value, sizes) for name, value in pool.items()}
    for index in range(len(batches)):
        yield {name: part[index] for name, part in parts.items()}
