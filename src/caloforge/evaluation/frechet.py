"""The Frechet physics distance (FPD) of two samples of features, extrapolated to infinitely many showers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import curve_fit
from threadpoolctl import threadpool_limits

from caloforge.errors import CaloforgeError
from caloforge.evaluation.feature_pairs import Features, checked_pair, scaled_pair
from caloforge.evaluation.moments import Counts, Floats, Moments
from caloforge.threads import in_order


@dataclass(frozen=True)
class FrechetSettings:
    """How FPD is extrapolated: `batches` batches at each of `points` numbers of samples, evenly spaced in 1/N.

    min_samples, max_samples: the smallest and the largest number of samples. The CaloChallenge calls with 10,000 and
    50,000; the values of jetnet, used before May 2024, are 20,000 and 50,000.
    """

    min_samples: int = 10_000
    max_samples: int = 50_000
    batches: int = 20
    points: int = 10

    def __post_init__(self) -> None:
        if not (2 <= self.min_samples < self.max_samples and self.batches >= 1 and self.points >= 3):
            raise CaloforgeError(
                f"FrechetSettings has min_samples = {self.min_samples}, max_samples = {self.max_samples}, batches = "
                f"{self.batches}, points = {self.points}, expected 2 <= min_samples < max_samples, at least 1 batch "
                "and 3 points; change these."
            )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The numbers of samples, (points,)."""
        return (1 / np.linspace(1 / self.min_samples, 1 / self.max_samples, self.points)).astype(np.int64)


def fpd(
    reference: Features,
    generated: Features,
    seed: int = 42,
    settings: FrechetSettings | None = None,
    threads: int | None = None,
) -> tuple[float, float]:
    """FPD of generated from reference features, (N, d) and (M, d), and the error of its extrapolation.

    Every feature is divided by the reference's largest magnitude. The squared Frechet distance of the two Gaussians
    with the batches' means and covariances is averaged at every number of samples; a straight line in 1/N, with
    intercept and slope not below 0, is fitted, and its intercept is the result. Batches are drawn with replacement, so
    that any number of showers from 2 on will do; see `comparable`. The same numbers as jetnet 0.2.5 (arXiv 2211.10295)
    for the same seed, whatever the number of threads. Raises CaloforgeError for bad shapes and features not finite.
    """
    settings = settings or FrechetSettings()
    with threadpool_limits(1, user_api="blas"):
        one, two = (Moments(values) for values in scaled_pair(*checked_pair(reference, generated)))
        mixed = two.frame.T @ one.frame
    rng = np.random.default_rng(seed)

    def draws() -> Iterator[tuple[Counts, Counts]]:
        for size in settings.sizes:
            together = max(one.group_size(int(size)), two.group_size(int(size)))
            for start in range(0, settings.batches, together):
                batches = min(together, settings.batches - start)
                counts = tuple(np.empty((batches, len(side.rows)), dtype=np.int64) for side in (one, two))
                for batch in range(batches):
                    for side in counts:
                        rows = rng.choice(side.shape[1], size=size)
                        side[batch] = np.bincount(rows, minlength=side.shape[1])
                yield counts[0], counts[1]

    def work(counts: tuple[Counts, Counts]) -> list[float]:
        moments = zip(*one.of(counts[0]), *two.of(counts[1]), strict=True)
        return [_distance(one, two, mixed, *parts) for parts in moments]

    with threadpool_limits(1, user_api="blas"):
        found = np.array([value for values in in_order(work, draws(), threads) for value in values])
    return _intercept(settings.sizes, found.reshape(settings.points, settings.batches).mean(axis=1))


def _distance(
    one: Moments,
    two: Moments,
    mixed: Floats,
    mean_1: Floats,
    covariance_1: Floats,
    mean_2: Floats,
    covariance_2: Floats,
) -> float:
    """Squared Frechet distance from means and covariances in decorrelated coordinates.

    With S1 = F1 C1 C1' F1' and S2 likewise, the trace of the root of S1 S2 is the sum of the singular values of
    C2' F2' F1 C1, so no matrix root is taken.
    """
    step = (one.mean + one.frame @ mean_1) - (two.mean + two.frame @ mean_2)
    traces = sum(
        float(np.sum(side.frame**2, axis=0) @ np.diagonal(covariance))
        for side, covariance in ((one, covariance_1), (two, covariance_2))
    )
    inner = _root(covariance_2).T @ (mixed @ _root(covariance_1))
    return float(step @ step) + traces - 2 * float(np.linalg.svd(inner, compute_uv=False).sum())


def _root(covariance: Floats) -> Floats:
    """A matrix C with C C' = covariance, of which the lower triangle is given."""
    root, failed = lapack.dpotrf(covariance, lower=1, clean=1)
    if failed:
        size, axes = np.linalg.eigh(covariance, UPLO="L")
        root = axes * np.sqrt(np.clip(size, 0, None))
    return np.asarray(root, dtype=np.float64)


def _intercept(sizes: NDArray[np.int64], means: Floats) -> tuple[float, float]:
    """Value at 1/N = 0 and its error."""

    def line(x: Floats, intercept: float, slope: float) -> Floats:
        return intercept + slope * x

    best, covariance = curve_fit(line, 1 / sizes, means, bounds=([0, 0], [np.inf, np.inf]))
    return float(best[0]), float(np.sqrt(covariance[0, 0]))
