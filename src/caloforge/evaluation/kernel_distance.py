"""The kernel physics distance (KPD): an unbiased maximum mean discrepancy of two samples of features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from caloforge.errors import CaloforgeError
from caloforge.evaluation.feature_pairs import Features, Floats, checked_pair, scaled_pair
from caloforge.evaluation.pair_kernel import fourth_powers, sum_fourth_powers
from caloforge.threads import in_order

ROWS, COLUMNS = 512, 1024
PRODUCT_SECONDS, POWER_SECONDS, SHARED_POWER_SECONDS = 2.3e-11, 6e-10, 2.5e-9
"""Rough costs that decide whether batches share their kernels: of a multiplication, of a kernel's power and sum."""


@dataclass(frozen=True)
class KernelSettings:
    """How KPD is estimated: from `batches` batches of `batch_size` showers of each sample.

    The CaloChallenge calls with 10 batches of 10,000; jetnet's own batch_size, used before May 2024, is 5,000.
    """

    batch_size: int = 10_000
    batches: int = 10

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.batches < 1:
            raise CaloforgeError(
                f"KernelSettings has batch_size = {self.batch_size} and batches = {self.batches}, expected at least 2 "
                "and 1; change these."
            )


@dataclass(frozen=True)
class _Side:
    """Rows of one sample: x = centre + sqrt(d) u. rows: u (n, d) in float32; offsets (n,): centre.u / sqrt(d), which
    completes their inner products; norms (n,): (x.x / d + 1)^4; weights (B, n): how often each of B batches has a row.
    """

    rows: NDArray[np.float32]
    offsets: Floats
    norms: Floats
    weights: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: int) -> _Side:
        """The rows of one batch, each once."""
        kept = self.weights[index] > 0
        return _Side(self.rows[kept], self.offsets[kept], self.norms[kept], self.weights[index : index + 1, kept])


@dataclass(frozen=True)
class _Block:
    """Rows `one` of side `first` against rows `two` of side `second`; pair: 0 within, 1 within generated, 2 across."""

    batch: int
    pair: int
    first: _Side
    second: _Side
    one: slice
    two: slice
    constant: float
    factor: float


def kpd(
    reference: Features,
    generated: Features,
    seed: int = 42,
    settings: KernelSettings | None = None,
    threads: int | None = None,
) -> tuple[float, float]:
    """KPD of generated from reference features, (M, d) and (N, d), and its error.

    Every feature is divided by the reference's largest magnitude. The result is the median over batches, drawn with
    replacement, of the unbiased squared maximum mean discrepancy under the kernel (x.y / d + 1)^4, which may be below
    0; the error is half of the range from 16.275 % to 83.725 %. The same numbers as jetnet 0.2.5 (arXiv 2211.10295)
    for the same seed, whatever the number of threads. Raises CaloforgeError for bad shapes and features not finite.
    """
    settings = settings or KernelSettings()
    x, y = scaled_pair(*checked_pair(reference, generated))
    centre = x.mean(axis=0)
    constant = float(centre @ centre) / x.shape[1] + 1.0
    weights = [np.zeros((settings.batches, len(values))) for values in (x, y)]
    for batch in range(settings.batches):
        rng = np.random.default_rng(seed + 1000 * batch)
        for weight in weights:
            drawn = rng.choice(weight.shape[1], size=settings.batch_size)
            weight[batch] = np.bincount(drawn, minlength=weight.shape[1])
    sides = [_side(values, centre, constant, weight) for values, weight in zip((x, y), weights, strict=True)]
    shared = _shared_is_faster(sides, settings)
    sums = np.zeros((settings.batches, 3))
    with threadpool_limits(1, user_api="blas"):
        for block, found in in_order(_sum, _blocks(sides, shared, constant), threads):
            rows = slice(None) if shared else slice(block.batch, block.batch + 1)
            sums[rows, block.pair] += found
    n = settings.batch_size
    for index, side in enumerate(sides):
        sums[:, index] = (sums[:, index] - side.weights @ side.norms) / (n * (n - 1))
    values = sums[:, 0] + sums[:, 1] - 2 * sums[:, 2] / n**2
    low, high = np.percentile(values, [16.275, 83.725])
    return float(np.median(values)), float(high - low) / 2


def _side(values: Floats, centre: Floats, constant: float, weights: Floats) -> _Side:
    root = np.sqrt(values.shape[1])
    rows = (values - centre) / root
    offsets = rows @ (centre / root)
    norms = (np.einsum("ij,ij->i", rows, rows) + 2 * offsets + constant) ** 4
    return _Side(rows.astype(np.float32), offsets, norms, weights)


def _shared_is_faster(sides: list[_Side], settings: KernelSettings) -> bool:
    """Whether all pairs once for all batches cost less than each batch's own."""

    def pairs(sizes: list[float]) -> float:
        return 0.5 * sum(sizes) ** 2

    product = PRODUCT_SECONDS * sides[0].rows.shape[1]
    drawn = [len(side) * -np.expm1(-settings.batch_size / len(side)) for side in sides]
    apart = settings.batches * pairs(drawn) * (product + POWER_SECONDS)
    return bool(pairs([float(len(side)) for side in sides]) * (product + SHARED_POWER_SECONDS) < apart)


def _blocks(sides: list[_Side], shared: bool, constant: float) -> Iterator[_Block]:
    """Every pair of rows in one block, pairs within a sample once and counted twice."""
    for batch in range(1 if shared else len(sides[0].weights)):
        one, two = sides if shared else [side.batch(batch) for side in sides]
        for pair, (first, second) in enumerate(((one, one), (two, two), (one, two))):
            for start in range(0, len(first), ROWS):
                rows = slice(start, min(start + ROWS, len(first)))
                if pair < 2:
                    yield _Block(batch, pair, first, second, rows, rows, constant, 1.0)
                for left in range(rows.stop if pair < 2 else 0, len(second), COLUMNS):
                    columns = slice(left, left + COLUMNS)
                    yield _Block(batch, pair, first, second, rows, columns, constant, 2.0 if pair < 2 else 1.0)


def _sum(block: _Block) -> tuple[_Block, Floats]:
    """The weighted sum of the kernels of a block for each of the batches that its sides know, (B,)."""
    first, second, one, two = block.first, block.second, block.one, block.two
    products = first.rows[one] @ second.rows[two].T
    offsets = first.offsets[one] + block.constant, second.offsets[two]
    v, w = first.weights[:, one], second.weights[:, two]
    if len(v) == 1:
        return block, np.array([block.factor * sum_fourth_powers(products, *offsets, v[0], w[0])])
    powers = np.empty(products.shape)
    fourth_powers(products, *offsets, powers)
    return block, block.factor * np.einsum("bj,bj->b", v @ powers, w)
