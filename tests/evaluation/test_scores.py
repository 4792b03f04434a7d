"""AUC, its errors and the divergence."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from caloforge.evaluation.scores import auc, bootstrap_error, divergence, expected_error


def two_classes(n: int, distance: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(distance, 1, n), rng.normal(0, 1, n)]), np.arange(2 * n) < n


@pytest.mark.parametrize("digits", [1, 8])
def test_auc_agrees_with_scikit_learn_also_on_ties(digits: int) -> None:
    scores, labels = two_classes(300, 0.5)
    scores = scores.round(digits)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    weights = np.random.default_rng(1).integers(0, 3, len(scores)).astype(float)
    assert auc(scores, labels, weights) == pytest.approx(
        roc_auc_score(labels, scores, sample_weight=weights), abs=1e-12
    )


def test_bootstrap_finds_the_error_of_equal_classes() -> None:
    scores, labels = two_classes(400, 0.0)
    error = bootstrap_error(scores, labels, 300, np.random.default_rng(0))
    assert error == pytest.approx(expected_error(400), rel=0.15)
    assert expected_error(1000) == pytest.approx(0.013, abs=1e-3)


def test_divergence_is_0_for_equal_1_for_separable_and_does_not_depend_on_scale() -> None:
    folds = np.arange(800) % 5
    scores, labels = two_classes(400, 0.0)
    assert abs(divergence(scores, labels, folds)[0]) < 0.02
    scores, labels = two_classes(400, 50.0)
    assert divergence(scores, labels, folds)[0] > 0.99
    scores, labels = two_classes(400, 1.0)
    value, error = divergence(scores, labels, folds)
    assert divergence(100 * scores + 3, labels, folds)[0] == pytest.approx(value, abs=1e-6)
    x = np.linspace(-9, 10, 20001)
    p, q = (np.exp(-0.5 * (x - m) ** 2) / np.sqrt(2 * np.pi) for m in (1.0, 0.0))
    exact = 0.5 * np.trapezoid(p * np.log2(2 * p / (p + q)) + q * np.log2(2 * q / (p + q)), x)
    assert abs(value - exact) < 3 * error
