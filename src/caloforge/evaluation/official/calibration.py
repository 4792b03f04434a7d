"""Calibrated probabilities, and AUC and Jensen-Shannon divergence of them with their statistical errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.scores import auc, divergence_of

Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]
SMALLEST = 1e-6


def calibrated(fitted_on: Floats, labels: Labels, probabilities: Floats) -> Floats:
    """Probabilities (N,) put through the isotonic curve that fits others (M,) to their labels; within [1e-6, 1 - 1e-6].

    Source: CaloChallenge, arXiv 2410.21611.
    """
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(out_of_bounds="clip", y_min=SMALLEST, y_max=1.0 - SMALLEST)
    found = curve.fit(fitted_on, labels.astype(np.float64)).predict(probabilities)
    return np.clip(np.asarray(found, dtype=np.float64), SMALLEST, 1.0 - SMALLEST)


@dataclass(frozen=True)
class Performance:
    """AUC and JSD of one training and their statistical errors."""

    auc: float
    auc_error: float
    jsd: float
    jsd_error: float


def performance(probabilities: Floats, labels: Labels) -> Performance:
    """AUC and JSD (1 - BCE / ln 2) of calibrated probabilities (N,) of being Geant4; labels are true for Geant4.

    JSD is 0 where the two cannot be told apart, 1 where they always can, and may be a little below 0.
    """
    jsd, jsd_error = divergence_of(probabilities, labels)
    return Performance(auc(probabilities, labels), auc_error(probabilities, labels), jsd, jsd_error)


def auc_error(scores: Floats, labels: Labels) -> float:
    """Standard error of the AUC of scores (N,) by DeLong's formula (Biometrics 44 (1988) 837), ties counted half."""
    from scipy.stats import rankdata

    positive, negative = scores[labels], scores[~labels]
    all_ranks = rankdata(np.concatenate([positive, negative]))
    above = (all_ranks[: len(positive)] - rankdata(positive)) / len(negative)
    below = 1.0 - (all_ranks[len(positive) :] - rankdata(negative)) / len(positive)
    return float(np.sqrt(np.var(above, ddof=1) / len(above) + np.var(below, ddof=1) / len(below)))
