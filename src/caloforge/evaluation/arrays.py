"""What the figures of a judgement need besides its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.evaluation.sample import Sample
from caloforge.observables import Comparison
from caloforge.showers import Showers

REFERENCE = "reference"
NAMES = "names"


@dataclass(frozen=True)
class Arrays:
    """Samples, histograms and whole showers of one judgement; every field after `comparisons` may be empty.

    reference:         unseen Geant4 showers.
    others:            the judged samples by name, the first the one at the top of the results; naive generators too.
    comparisons:       per sample and observable, its histogram beside Geant4's.
    floor_comparisons: per observable, Geant4 against Geant4 in the same bins.
    distances:         per sample and for `reference`, distance (n,) of showers to the nearest training shower.
    weights:           per sample, p / (1 - p) of the reference's showers (n,) and of its own (m,), p a calibrated
                       probability to be Geant4.
    correlations:      per sample and for `reference`, matrix (F, F) of the features in `names`.
    examples:          per sample and for `reference`, a few whole showers for the view in three dimensions.
    """

    reference: Sample
    others: Mapping[str, Sample]
    comparisons: Mapping[str, Mapping[str, Comparison]]
    floor_comparisons: Mapping[str, Comparison] | None = None
    distances: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    weights: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]] = field(default_factory=dict)
    correlations: Mapping[str, Any] = field(default_factory=dict)
    examples: Mapping[str, Showers] = field(default_factory=dict)
