"""What is before the judge: the samples, the protocol, and what the parts of the evaluation have found so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Detector
from caloforge.evaluation.naive import GAUSSIAN, NEAREST
from caloforge.evaluation.protocol import Protocol
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.watch import Watch
from caloforge.observables import Comparison
from caloforge.randomness import numpy_generator

Rows = NDArray[np.int64]
NAIVE = (NEAREST, GAUSSIAN)


@dataclass(frozen=True)
class Geant4Pair:
    """Two disjoint Geant4 samples of n showers each, for a floor: samples, their rows, and where they come from."""

    one: Sample
    one_rows: Rows
    two: Sample
    two_rows: Rows
    source: str

    @property
    def n(self) -> int:
        """Showers of each side."""
        return len(self.one_rows)

    @property
    def whole(self) -> bool:
        """Whether the rows are all there are, so that another draw would give the same pair."""
        return self.n == len(self.one) == len(self.two)


@dataclass
class Case:
    """The samples of one evaluation, with what its parts add.

    reference: unseen Geant4 showers. samples: the judged ones by name, the naive generators last. training: Geant4
    showers that a model saw. floor: a second file of unseen Geant4 showers. n: showers of each that are compared.
    repeats: of the trainings, instead of the protocol's. folder: where trainings are kept; show: their progress bars.
    found: results of every sample by its name, in the words of the result file. results: those of the whole.
    """

    protocol: Protocol
    seed: int
    reference: Sample
    samples: dict[str, Sample]
    training: Sample | None
    floor: Sample | None
    n: int
    repeats: int | None = None
    folder: Path | None = None
    show: bool = False
    watch: Watch = field(default_factory=Watch)
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    comparisons: dict[str, dict[str, Comparison]] = field(default_factory=dict)
    floor_comparisons: dict[str, Comparison] | None = None
    distances: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    weights: dict[str, tuple[NDArray[np.floating], NDArray[np.floating]]] = field(default_factory=dict)
    correlations: dict[str, Any] = field(default_factory=dict)
    _other_thresholds: dict[str, Sample] = field(default_factory=dict)

    @property
    def detector(self) -> Detector:
        """The detector of the reference."""
        return self.reference.detector

    def judged(self) -> Mapping[str, Sample]:
        """The samples without the naive generators."""
        return {name: sample for name, sample in self.samples.items() if name not in NAIVE}

    def note_of_halves(self, pair: Geant4Pair | None, n: int, what: str) -> None:
        """Say where a floor comes from fewer showers than the numbers beside it."""
        if pair is not None and pair.n < n:
            self.notes.append(
                f"The floor of {what} comes from {pair.source}, {pair.n:,} showers each, beside {n:,} of the samples; "
                "give --floor or --training for one of equal numbers."
            )

    def for_classifiers(self, sample: Sample) -> Sample:
        """The sample above the threshold of the protocol's classifiers; it is read again where that is another one."""
        threshold = self.protocol.classifier_threshold_mev(self.detector)
        if threshold == sample.threshold_mev:
            return sample
        if sample.name not in self._other_thresholds:
            again = Sample.gather(sample.name, sample.source, len(sample), threshold)
            self._other_thresholds[sample.name] = again
        return self._other_thresholds[sample.name]

    def geant4_pair(self, n: int, draw: int = 0, purpose: str = "evaluation.floor") -> Geant4Pair | None:
        """Two Geant4 samples of n showers: the reference beside the floor's file or else the training showers.

        Without either, disjoint halves of the reference, so that n is at most half of it; None for fewer than two.
        draw: which random choice of rows.
        """
        rng = numpy_generator(self.seed, purpose, draw)
        for other, source in ((self.floor, "a second file"), (self.training, "training showers")):
            if other is not None and len(other) >= n and len(self.reference) >= n:
                rows = [np.sort(rng.choice(len(side), n, replace=False)) for side in (self.reference, other)]
                return Geant4Pair(self.reference, rows[0], other, rows[1], source)
        half = min(n, len(self.reference) // 2)
        if half < 2:
            return None
        order = rng.permutation(len(self.reference))
        halves = np.sort(order[:half]), np.sort(order[half : 2 * half])
        return Geant4Pair(self.reference, halves[0], self.reference, halves[1], "halves of the reference")
