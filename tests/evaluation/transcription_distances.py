"""The Frechet and the kernel physics distance as they are defined, in plain numpy and scipy: slow and easy to check.

Definitions: jetnet 0.2.5 (arXiv 2211.10295). Batches are drawn with replacement, the real ones first.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import sqrtm
from scipy.optimize import curve_fit


def scaled(real: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both divided by the largest real magnitude of each feature; features that are zero stay as they are."""
    scale = np.abs(real).max(axis=0)
    scale[scale == 0] = 1
    return real / scale, generated / scale


def gaussian_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Squared Frechet distance of the Gaussians with the mean and the covariance of x (n, d) and y (m, d)."""
    step = x.mean(axis=0) - y.mean(axis=0)
    one, two = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(one @ two)
    return float(step @ step + np.trace(one) + np.trace(two) - 2 * np.trace(root).real)


def fpd(
    real: np.ndarray, generated: np.ndarray, min_samples: int, max_samples: int = 50_000, batches: int = 20,
    points: int = 10, seed: int = 42,
) -> tuple[float, float]:  # fmt: skip
    """Distance at `points` numbers of samples, extrapolated to infinitely many by a straight line in 1/N."""
    x, y = scaled(real, generated)
    sizes = (1 / np.linspace(1 / min_samples, 1 / max_samples, points)).astype("int32")
    rng = np.random.default_rng(seed)
    means = []
    for size in sizes:
        found = []
        for _ in range(batches):
            one = rng.choice(len(x), size=size)
            two = rng.choice(len(y), size=size)
            found.append(gaussian_distance(x[one], y[two]))
        means.append(np.mean(found))
    best, covariance = curve_fit(lambda t, a, b: a + b * t, 1 / sizes, means, bounds=([0, 0], [np.inf, np.inf]))
    return float(best[0]), float(np.sqrt(covariance[0, 0]))


def squared_mean_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD^2 of x (n, d) and y (m, d) under the kernel (x.y/d + 1)^4."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1.0) ** 4

    within = []
    for a in (x, y):
        k = kernel(a, a)
        within.append((k.sum() - np.trace(k)) / (len(a) * (len(a) - 1)))
    return float(within[0] + within[1] - 2 * kernel(x, y).mean())


def kpd(
    real: np.ndarray, generated: np.ndarray, batch_size: int, batches: int = 10, seed: int = 42
) -> tuple[float, float]:
    """Median over batches, and half of the range from 16.275 % to 83.725 %."""
    x, y = scaled(real, generated)
    found = []
    for batch in range(batches):
        rng = np.random.default_rng(seed + 1000 * batch)
        one = rng.choice(len(x), size=batch_size)
        two = rng.choice(len(y), size=batch_size)
        found.append(squared_mean_discrepancy(x[one], y[two]))
    low, high = np.percentile(found, [16.275, 83.725])
    return float(np.median(found)), float((high - low) / 2)
