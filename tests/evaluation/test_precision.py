"""Classifiers in float32 give the AUC of float64, far within its error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.evaluation.classifiers import network_scores
from caloforge.evaluation.official import ClassifierSettings, train_classifier
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.scores import auc, expected_error


@pytest.fixture(scope="module")
def pair(toy_showers) -> tuple[Sample, Sample]:
    return Sample.gather("geant4", toy_showers(500, 1)), Sample.gather("model", toy_showers(500, 2, lost=0.3))


def test_network_of_small_n_in_float32_and_float64(pair) -> None:
    low = np.concatenate([sample.low_level(np.arange(500)) for sample in pair])
    labels, train = np.arange(1000) < 500, np.arange(1000) % 2 == 0
    found = [
        auc(network_scores(low[train], labels[train], low[~train], 4, 10, precision=precision), labels[~train])
        for precision in ("float32", "float64")
    ]
    assert found[1] > 0.6
    assert abs(found[0] - found[1]) < 0.1 * expected_error(250)


def test_official_network_in_float32_and_float64(pair) -> None:
    settings = ClassifierSettings("high", hidden=64, epochs=10, batch=60, learning_rate=3e-3, split=(0.6, 0.2, 0.2))
    found = [
        train_classifier("high", *pair, replace(settings, precision=precision), seed=2, repeats=2)
        for precision in ("float32", "float64")
    ]
    assert found[1].auc > 0.6
    assert abs(found[0].auc - found[1].auc) < 0.1 * found[1].auc_statistical
