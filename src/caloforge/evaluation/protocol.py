"""What a protocol is: the declared object that every result names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.evaluation.official.settings import OFFICIAL_COUNTS, ClassifierSettings
from caloforge.observables import BINNINGS, known_as
from caloforge.observables.features import Vector

PARTS = ("histograms", "fpd", "prdc", "classifiers", "physics", "memorisation", "multiclass")
"""Parts of an evaluation, in the order in which they run."""
OURS = ("physics", "memorisation", "multiclass")
"""Parts that no protocol of the CaloChallenge knows; they are added to each and change none of its numbers."""
LEAST_ROWS = 5
"""Showers of a class that every fold of the panel must hold."""


@dataclass(frozen=True)
class Panel:
    """Settings of the classifiers of protocol small-n.

    folds, seeds: of the cross-validation. rows: at most so many showers of each class. bootstrap: resamplings for the
    error. floor_splits: Geant4-against-Geant4 repetitions (0: the stored floor). epochs: of the networks.
    """

    folds: int = 5
    seeds: int = 3
    rows: int = 5000
    bootstrap: int = 200
    floor_splits: int = 20
    epochs: int = 30


@dataclass(frozen=True)
class Protocol:
    """One way to judge, named in every result.

    name, version, summary: what it is; a change of any number raises the version.
    official:       whether it is one of the CaloChallenge's, defined on its detectors alone.
    binning:        name of the histograms in `caloforge.observables.BINNINGS`, which also say their threshold.
    threshold_mev:  of all else (classifiers, FPD, KPD, PRDC); None: that of the histograms.
    vector:         which high-level vector classifiers, FPD and KPD read.
    parts:          what belongs to it, of `PARTS`.
    classifiers:    settings of the official networks, which say their split.
    smallest:       showers of a class from which on they are trained where their split has no fixed counts.
    equal_numbers:  whether it refuses samples of unequal numbers.
    panel:          settings of the panel of small-n, or None.
    fpd_min_samples, kpd_batch: settings of jetnet's fpd and kpd; None: a fifth and a half of the showers.
    prdc_k:         neighbours. prdc_rows: at most so many showers of each; None: all.
    separation_splits: repetitions of the separations' floor.
    naive:          whether two naive generators stand in every table.
    quick:          whether it is the form for demonstrations, never for a verdict.
    """

    name: str
    summary: str
    binning: str
    parts: tuple[str, ...]
    official: bool = False
    version: int = 1
    threshold_mev: float | None = None
    vector: Vector = "2023-11"
    classifiers: tuple[ClassifierSettings, ...] = ()
    smallest: int = 10
    equal_numbers: bool = False
    panel: Panel | None = None
    fpd_min_samples: int | None = None
    kpd_batch: int | None = None
    prdc_k: int = 5
    prdc_rows: int | None = None
    separation_splits: int = 10
    naive: bool = False
    quick: bool = False

    def __post_init__(self) -> None:
        wrong = [part for part in self.parts if part not in PARTS]
        if wrong:
            raise CaloforgeError(f"Protocol '{self.name}' has the part '{wrong[0]}', expected {', '.join(PARTS)}.")
        if self.panel is not None and self.panel.folds < 2:
            raise CaloforgeError(
                f"Protocol '{self.name}' has folds = {self.panel.folds}, expected at least 2; use another protocol."
            )

    def histogram_threshold_mev(self, detector: Detector) -> float:
        """A voxel below it (strictly) counts as zero in features and histograms."""
        return BINNINGS[self.binning].threshold_mev(detector)

    def classifier_threshold_mev(self, detector: Detector) -> float:
        """A voxel below it (strictly) counts as zero for classifiers, FPD, KPD and PRDC."""
        return self.histogram_threshold_mev(detector) if self.threshold_mev is None else self.threshold_mev

    def needed(self, detector: Detector) -> int:
        """Showers of each class that its classifiers need."""
        if self.panel is not None:
            return LEAST_ROWS * self.panel.folds
        fixed = [
            sum(OFFICIAL_COUNTS.get(known_as(detector), ())) for one in self.classifiers if one.split == "official"
        ]
        return max([self.smallest, *fixed]) if self.classifiers else 1

    def allows(self, detector: Detector) -> bool:
        """Whether it is defined for a detector."""
        return not self.official or known_as(detector).startswith("ds")

    def shortened(self) -> Protocol:
        """The quick form: 250 showers a class, one seed, the stored floor.

        Raises CaloforgeError for official protocols, whose numbers are fixed.
        """
        if self.official:
            raise CaloforgeError(
                f"Protocol '{self.name}' has no quick form, since its numbers are fixed; use small-n with --quick."
            )
        panel = None if self.panel is None else replace(self.panel, rows=250, seeds=1, floor_splits=0)
        parts = tuple(part for part in self.parts if part not in ("fpd", "prdc"))
        return replace(self, parts=parts, panel=panel, classifiers=(), separation_splits=5, quick=True)

    def as_dict(self) -> dict[str, Any]:
        """For a result file: every setting by its name; classifiers by theirs."""
        found = {name: value for name, value in vars(self).items() if name not in ("classifiers", "panel", "parts")}
        found["parts"] = list(self.parts)
        found["classifiers"] = [one.as_dict() for one in self.classifiers]
        found["panel"] = None if self.panel is None else dict(vars(self.panel))
        return found
