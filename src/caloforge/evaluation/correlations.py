"""Pearson correlations of the high-level features, and how much those of two samples differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.observables import Features

Floats = NDArray[np.float64]
CONSTANT = 1e-12


@dataclass(frozen=True)
class Correlations:
    """Pearson's coefficients (D, D) of D features by name; those of a feature that is constant are 0 but with itself.

    constant: names of the features that do not vary in this sample.
    """

    names: tuple[str, ...]
    matrix: Floats
    constant: tuple[str, ...] = ()


@dataclass(frozen=True)
class CorrelationDifference:
    """Largest and mean absolute difference of the coefficients of two samples, over all pairs, and the pair of names
    that differs most; constant: features that do not vary in one of the samples, which take no part."""

    largest: float
    mean: float
    pair: tuple[str, str]
    constant: tuple[str, ...] = ()

    def as_dict(self, floor: CorrelationDifference | None = None) -> dict[str, Any]:
        """For a result file; floor: the difference of two Geant4 samples of equal numbers."""
        found: dict[str, Any] = {
            "largest_difference": self.largest,
            "mean_difference": self.mean,
            "largest_pair": list(self.pair),
        }
        if self.constant:
            found["constant"] = list(self.constant)
        if floor is not None:
            found |= {"floor_largest": floor.largest, "floor_mean": floor.mean}
        return found


def feature_columns(features: Features) -> dict[str, Floats]:
    """The columns (N,) of the high-level vector by name, energies as log10 of MeV, and what `profile` adds."""
    layers = features.layer_names
    two = [layers[index] for index in features.transverse]
    first, second = features.axes
    names = [
        "log10 Einc",
        *(f"log10 E layer {layer}" for layer in layers),
        *(f"{label} layer {layer}" for label in (f"EC {first}", f"EC {second}") for layer in two),
        *(f"{label} layer {layer}" for label in (f"Width {first}", f"Width {second}") for layer in two),
        "log10 Etot",
        *(f"{label} layer {layer}" for label in ("Sparsity", "EC r", "Width r") for layer in layers),
    ]
    columns = dict(zip(names, features.vector().T, strict=True))
    return columns | {name: np.asarray(values, dtype=np.float64) for name, values in features.profile.items()}


def correlations(features: Features | Mapping[str, NDArray[np.floating[Any]]]) -> Correlations:
    """Pearson's coefficients of a sample's high-level features, or of any columns (N,) by name.

    Raises CaloforgeError for fewer than two showers and for columns that are not finite.
    """
    columns = feature_columns(features) if isinstance(features, Features) else dict(features)
    values = np.stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
    if values.shape[1] < 2:
        raise CaloforgeError(
            f"Correlations are asked of {values.shape[1]} showers, expected at least two; give a fuller sample."
        )
    for name, row in zip(columns, values, strict=True):
        if not np.isfinite(row).all():
            raise CaloforgeError(
                f"The feature '{name}' of shower {int(np.argmin(np.isfinite(row)))} is not finite, expected finite "
                "ones; leave out such showers or generate them again."
            )
    largest = np.abs(values).max(axis=1)
    values -= values.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.mean(values**2, axis=1))
    constant = spread <= CONSTANT * largest
    values[constant] = 0
    values /= np.where(constant, 1.0, spread)[:, None]
    matrix = np.clip(values @ values.T / values.shape[1], -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    names = tuple(columns)
    return Correlations(names, matrix, tuple(name for name, flat in zip(names, constant, strict=True) if flat))


def compare_correlations(reference: Correlations, generated: Correlations) -> CorrelationDifference:
    """How much the coefficients of two samples differ; raises CaloforgeError where their features are not the same."""
    if reference.names != generated.names:
        raise CaloforgeError(
            f"The reference has {len(reference.names)} features from '{reference.names[0]}' on and the generated "
            f"sample {len(generated.names)} from '{generated.names[0]}' on, expected the same names; take both from "
            "one detector."
        )
    constant = tuple(name for name in reference.names if name in {*reference.constant, *generated.constant})
    kept = np.array([index for index, name in enumerate(reference.names) if name not in constant], dtype=np.int64)
    if len(kept) < 2:
        return CorrelationDifference(0.0, 0.0, ("", ""), constant)
    difference = np.abs(reference.matrix - generated.matrix)[np.ix_(kept, kept)]
    rows, columns = np.triu_indices(len(kept), 1)
    pairs = difference[rows, columns]
    worst = int(np.argmax(pairs))
    pair = (reference.names[kept[rows[worst]]], reference.names[kept[columns[worst]]])
    return CorrelationDifference(float(pairs[worst]), float(pairs.mean()), pair, constant)
