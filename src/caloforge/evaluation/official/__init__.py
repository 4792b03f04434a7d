"""The CaloChallenge's classifiers: networks, splits, calibration and repeated trainings as declared objects."""

from caloforge.evaluation.official.calibration import Performance, calibrated, performance
from caloforge.evaluation.official.inputs import check_memory, classifier_inputs, memory_needed
from caloforge.evaluation.official.networks import Dense, ResNet3D, image_shape, network, parameters_of
from caloforge.evaluation.official.repeats import Trained, train_classifier
from caloforge.evaluation.official.settings import (
    KINDS,
    OFFICIAL,
    OFFICIAL_COUNTS,
    ClassifierSettings,
    official_classifiers,
)
from caloforge.evaluation.official.split import Split, split_rows
from caloforge.evaluation.official.training import Outcome, train_once

__all__ = [
    "KINDS",
    "OFFICIAL",
    "OFFICIAL_COUNTS",
    "ClassifierSettings",
    "Dense",
    "Outcome",
    "Performance",
    "ResNet3D",
    "Split",
    "Trained",
    "calibrated",
    "check_memory",
    "classifier_inputs",
    "image_shape",
    "memory_needed",
    "network",
    "official_classifiers",
    "parameters_of",
    "performance",
    "split_rows",
    "train_classifier",
    "train_once",
]
