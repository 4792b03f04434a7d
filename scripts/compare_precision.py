"""Train the classifiers in float32 and in float64 on the same showers, splits and first weights, and compare the AUCs.

    python scripts/compare_precision.py REFERENCE GENERATED [--showers 1000] [--seeds 5] [--threads 1]

Prints, for the network of small-n and for the official classifiers at these few showers, both AUCs with the error that
so many showers give and the spread of the seeds, the difference (mean over the seeds and its error) and the seconds
that each took. --networks picks some of them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from caloforge.evaluation.classifiers import network_scores
from caloforge.evaluation.official import ClassifierSettings, train_classifier
from caloforge.evaluation.panel import NETWORK
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.scores import auc, expected_error
from caloforge.randomness import numpy_generator, stream_seed
from caloforge.showers import open_showers

PRECISIONS = ("float32", "float64")
FOLDS, SMALL_N = 5, "small-n"


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("generated", type=Path)
    parser.add_argument("--showers", type=int, default=1000, help="of each class")
    parser.add_argument("--networks", nargs="+", choices=(SMALL_N, "low", "high"), default=(SMALL_N, "low", "high"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--hidden", type=int, default=512, help="units of the official networks")
    parser.add_argument("--epochs", type=int, default=20, help="of the official networks")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    pair = [Sample.gather(path.stem, open_showers(path), given.showers) for path in (given.reference, given.generated)]
    n = min(len(sample) for sample in pair)
    print(f"{n} showers of each class, detector {pair[0].detector.name}, {given.seeds} seeds, {given.threads} threads")
    for kind in given.networks:
        if kind == SMALL_N:
            _report(f"{SMALL_N}, {NETWORK}", n, [_panel(pair, n, seed) for seed in range(given.seeds)])
            continue
        settings = ClassifierSettings(kind, hidden=given.hidden, epochs=given.epochs, batch=100, split=(0.6, 0.2, 0.2))
        _report(
            f"official {kind}, {given.hidden} units",
            n // 5,
            [_official(pair, n, settings, s) for s in range(given.seeds)],
        )


def _panel(pair: list[Sample], n: int, seed: int) -> dict[str, tuple[float, float]]:
    rows = np.arange(n)
    low = np.concatenate([sample.low_level(rows) for sample in pair])
    labels = np.arange(2 * n) < n
    fold = numpy_generator(seed, "folds").permutation(2 * n) % FOLDS
    found = {}
    for precision in PRECISIONS:
        began, scores = time.perf_counter(), np.zeros(2 * n)
        for one in range(FOLDS):
            test = fold == one
            each = stream_seed(seed, "precision", one)
            scores[test] = network_scores(low[~test], labels[~test], low[test], each, precision=precision)
        found[precision] = (auc(scores, labels), time.perf_counter() - began)
    return found


def _official(pair: list[Sample], n: int, settings: ClassifierSettings, seed: int) -> dict[str, tuple[float, float]]:
    found = {}
    for precision in PRECISIONS:
        rows = np.arange(n)
        one = train_classifier(
            settings.kind, *pair, replace(settings, precision=precision), seed, reference_rows=rows, generated_rows=rows
        )
        found[precision] = (one.auc, one.seconds)
    return found


def _report(what: str, judged: int, runs: list[dict[str, tuple[float, float]]]) -> None:
    aucs = {name: np.array([run[name][0] for run in runs]) for name in PRECISIONS}
    taken = {name: np.mean([run[name][1] for run in runs]) for name in PRECISIONS}
    apart = aucs["float32"] - aucs["float64"]
    print(
        f"{what}: AUC float32 {aucs['float32'].mean():.4f}, float64 {aucs['float64'].mean():.4f}, error of one "
        f"{expected_error(judged):.4f}, spread of seeds {np.std(aucs['float64'], ddof=1):.4f}; difference "
        f"{apart.mean():+.4f} +- {np.std(apart, ddof=1) / np.sqrt(len(apart)):.4f}; "
        f"{taken['float32']:.1f} s and {taken['float64']:.1f} s"
    )


if __name__ == "__main__":
    main()
