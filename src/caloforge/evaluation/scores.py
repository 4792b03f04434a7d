"""Numbers made from the scores of a classifier: AUC with its bootstrap error, and the Jensen-Shannon divergence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEW = 0.01
"""Standard error of an AUC above which that nothing was seen says little."""


def auc(scores: Floats, labels: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Area under the ROC curve of scores (N,), ties counted half; weights (N,) may be multiplicities."""
    weights = np.ones(len(scores)) if weights is None else weights
    _, group = np.unique(scores, return_inverse=True)
    positive = np.bincount(group, weights * labels)
    negative = np.bincount(group, weights * ~labels)
    below = np.cumsum(negative) - negative
    return float(np.sum(positive * (below + 0.5 * negative)) / (positive.sum() * negative.sum()))


def expected_error(n: int) -> float:
    """Standard error of the AUC of two equal samples of n showers each: sqrt((2n + 1) / (12 n^2))."""
    return float(np.sqrt((2 * n + 1) / (12 * n**2)))


def indistinguishable(auc: float, floor: float, error: float) -> bool:
    """Whether an AUC lies less than two standard errors of the difference above its floor, and the error is small."""
    return auc - floor < 2 * error and error <= FEW


def bootstrap_error(scores: Floats, labels: NDArray[np.bool_], resamplings: int, rng: np.random.Generator) -> float:
    """Standard deviation of the AUC when both classes are drawn again with replacement."""
    values = []
    for _ in range(resamplings):
        weights = np.zeros(len(scores))
        for rows in (np.flatnonzero(labels), np.flatnonzero(~labels)):
            weights[rows] = rng.multinomial(len(rows), np.full(len(rows), 1.0 / len(rows)))
        values.append(auc(scores, labels, weights))
    return float(np.std(values, ddof=1))


def cross_fitted(scores: Floats, labels: NDArray[np.bool_], folds: NDArray[np.int64]) -> Floats:
    """Probabilities (N,) within [1e-6, 1 - 1e-6] from scores (N,) that are logits, by Platt scaling.

    In every fold the scores are calibrated by a logistic curve that was fitted to the other folds.
    """
    from sklearn.linear_model import LogisticRegression

    found = np.zeros(len(scores))
    spread = float(np.std(scores)) or 1.0
    column = (scores[:, None] - np.mean(scores)) / spread
    for fold in np.unique(folds):
        held_out = folds == fold
        fitted = LogisticRegression(C=1e4).fit(column[~held_out], labels[~held_out])
        found[held_out] = np.clip(fitted.predict_proba(column[held_out])[:, 1], 1e-6, 1 - 1e-6)
    return found


def divergence(scores: Floats, labels: NDArray[np.bool_], folds: NDArray[np.int64]) -> tuple[float, float]:
    """Jensen-Shannon divergence, and its statistical error, of logits (N,) by cross-fitted Platt scaling."""
    return divergence_of(cross_fitted(scores, labels, folds), labels)


def divergence_of(probabilities: Floats, labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Jensen-Shannon divergence (1 - BCE / ln 2) of calibrated probabilities (N,), and its statistical error.

    0 means that the two cannot be told apart, 1 that they can always; a little below 0 is possible.
    """
    loss = -np.where(labels, np.log(probabilities), np.log1p(-probabilities))
    error = np.std(loss, ddof=1) / np.sqrt(len(loss)) / np.log(2.0)
    return float(1.0 - np.mean(loss) / np.log(2.0)), float(error)
