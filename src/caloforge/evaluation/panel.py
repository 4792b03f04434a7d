"""The panel of classifiers of protocol small-n: cross-validated, several seeds, each with its error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.classifiers import group, network_scores, tree_scores
from caloforge.evaluation.protocol import Panel
from caloforge.evaluation.sample import Sample, paired
from caloforge.evaluation.scores import auc, bootstrap_error, cross_fitted, divergence_of
from caloforge.randomness import numpy_generator, stream_seed

TREES, NETWORK, MIRRORED = "trees on features", "network on voxels", "network on mirrored voxels"
HEADLINE = "headline"


@dataclass(frozen=True)
class Verdict:
    """What one classifier says of a sample: AUC and JSD, and their errors (bootstrap and seeds in quadrature).

    reference, generated: calibrated probability (n,) of each shower to be Geant4, in the order of the rows given,
    averaged over the seeds as a logit; for weights. repeats: trainings with different seeds.
    """

    auc: float
    auc_error: float
    jsd: float
    jsd_error: float
    reference: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    generated: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    repeats: int = 1

    def as_dict(self) -> dict[str, float]:
        """For a result file."""
        numbers = {name: getattr(self, name) for name in ("auc", "auc_error", "jsd", "jsd_error")}
        return {**numbers, "n": len(self.reference), "repeats": self.repeats}


def _folds(rows: int, folds: int, seed: int) -> NDArray[np.int64]:
    order = np.arange(rows) % folds
    return numpy_generator(seed, "evaluation.folds").permutation(order)


def _scores(
    kind: str, high: NDArray[np.float64], low: NDArray[np.float32], labels: NDArray[np.bool_],
    fold_of: NDArray[np.int64], copies: list[NDArray[np.int64]], seed: int, epochs: int,
) -> NDArray[np.float64]:  # fmt: skip
    """Pooled out-of-fold logits."""
    scores = np.zeros(len(labels))
    for fold in np.unique(fold_of):
        test = fold_of == fold
        one = stream_seed(seed, f"evaluation.{kind}", int(fold))
        if kind == TREES:
            scores[test] = tree_scores(high[~test], labels[~test], high[test], one)
        else:
            use = copies if kind == MIRRORED else []
            scores[test] = network_scores(low[~test], labels[~test], low[test], one, epochs, use)
    return scores


def judge(
    reference: Sample, reference_rows: NDArray[np.int64], other: Sample, other_rows: NDArray[np.int64],
    settings: Panel, seed: int, *, seeds: int | None = None, bootstrap: int | None = None,
    done: Callable[[int], None] | None = None,
) -> dict[str, Verdict]:  # fmt: skip
    """Train every classifier of the panel to tell the given rows of two samples (equally many) apart.

    Where the two share their incident energies row by row, twins stay in one fold: else a classifier could learn a
    label from the energy alone. The panel's `headline` is the verdict with the largest AUC. seeds, bootstrap: instead
    of those of the settings; done: called after every training of a seed.
    """
    high = np.concatenate([reference.features[reference_rows].vector(), other.features[other_rows].vector()])
    low = np.concatenate([reference.low_level(reference_rows), other.low_level(other_rows)])
    n = len(reference_rows)
    labels = np.arange(len(high)) < n
    twins = paired(reference, other) and bool(np.array_equal(reference_rows, other_rows))
    copies = group(list(reference.detector.symmetries().values()))
    verdicts: dict[str, Verdict] = {}
    for kind in (TREES, NETWORK, MIRRORED) if copies else (TREES, NETWORK):
        aucs, jsds, errors, jsd_errors = [], [], [], []
        repeats = settings.seeds if seeds is None else seeds
        logits = np.zeros(len(high))
        for index in range(repeats):
            one = stream_seed(seed, "evaluation.seed", index)
            first = _folds(n, settings.folds, one)
            second = first if twins else _folds(len(high) - n, settings.folds, one + 1)
            fold_of = np.concatenate([first, second])
            scores = _scores(kind, high, low, labels, fold_of, copies, one, settings.epochs)
            aucs.append(auc(scores, labels))
            probabilities = cross_fitted(scores, labels, fold_of)
            logits += np.log(probabilities) - np.log1p(-probabilities)
            value, error = divergence_of(probabilities, labels)
            jsds.append(value)
            jsd_errors.append(error)
            resamplings = settings.bootstrap if bootstrap is None else bootstrap
            if resamplings:
                rng = numpy_generator(one, "evaluation.bootstrap")
                errors.append(bootstrap_error(scores, labels, resamplings, rng))
            if done is not None:
                done(1)
        spread = [float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for values in (aucs, jsds)]
        boot = float(np.mean(errors)) if errors else 0.0
        mean = 1.0 / (1.0 + np.exp(-logits / len(aucs)))
        verdicts[kind] = Verdict(
            float(np.mean(aucs)),
            float(np.hypot(boot, spread[0])),
            float(np.mean(jsds)),
            float(np.hypot(np.mean(jsd_errors), spread[1])),
            mean[:n],
            mean[n:],
            repeats,
        )
    verdicts[HEADLINE] = max(verdicts.values(), key=lambda verdict: verdict.auc)
    return verdicts
