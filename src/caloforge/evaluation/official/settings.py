"""The settings of a classifier as declared objects, and the sets that the CaloChallenge's protocols use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from caloforge.errors import CaloforgeError
from caloforge.observables.features import Vector
from caloforge.registry import nearest

Kind = Literal["low", "low-normed", "high", "resnet"]
Precision = Literal["float32", "float64"]
KINDS: tuple[Kind, ...] = ("low", "low-normed", "high", "resnet")

OFFICIAL_COUNTS: Mapping[str, tuple[int, int, int]] = {
    "ds1-photons": (80_000, 20_000, 21_000),
    "ds1-pions": (80_000, 20_000, 20_800),
    "ds2": (60_000, 20_000, 20_000),
    "ds3": (60_000, 20_000, 20_000),
}
"""Showers per class to train on, to choose the epoch and calibrate with (test), and to judge with (validation)."""


@dataclass(frozen=True)
class ClassifierSettings:
    """How one classifier of the CaloChallenge is built, trained and fed.

    kind:          "low" (voxels), "low-normed" (voxels over their layer's energy), "high" (the high-level vector) or
                   "resnet" (voxels as an image).
    hidden, layers, dropout: of the fully connected network: `layers` + 1 hidden layers of `hidden` units.
    epochs, batch, learning_rate: of Adam.
    precision:     of weights and arithmetic; inputs are kept in float32, as the files have them.
    normed:        of "low-normed": "official" divides voxels without threshold by layer energies with it, "fixed"
                   takes both with the threshold.
    thresholded:   whether the sample's threshold is applied at all.
    vector:        which high-level vector "high" takes.
    split:         showers per class (train, test, validation): whole numbers, or fractions of all there are that sum to
                   at most 1, or "official", the CaloChallenge's counts for its data sets.
    keep_twins:    where the two samples have the same incident energies row by row, twins share a part. The official
                   code does not.

    Raises CaloforgeError where a value is out of range. Definitions: CaloChallenge, arXiv 2410.21611.
    """

    kind: Kind
    hidden: int = 2048
    layers: int = 2
    dropout: float = 0.0
    epochs: int = 50
    batch: int = 1000
    learning_rate: float = 2e-4
    precision: Precision = "float32"
    normed: Literal["official", "fixed"] = "official"
    thresholded: bool = True
    vector: Vector = "2023-11"
    split: tuple[float, float, float] | Literal["official"] = "official"
    keep_twins: bool = False

    def __post_init__(self) -> None:
        for name, found, expected in (
            ("kind", self.kind, KINDS),
            ("precision", self.precision, ("float32", "float64")),
            ("normed", self.normed, ("official", "fixed")),
            ("vector", self.vector, ("2022-10", "2023-11")),
        ):
            if found not in expected:
                raise CaloforgeError(
                    f"{name} is {found!r}, expected one of {', '.join(expected)}.{nearest(str(found), list(expected))}"
                )
        for name, least in (("hidden", 1), ("layers", 0), ("epochs", 1), ("batch", 2)):
            if getattr(self, name) < least:
                raise CaloforgeError(
                    f"{name} is {getattr(self, name)}, expected at least {least}; choose a larger number."
                )
        if not 0.0 <= self.dropout < 1.0 or not self.learning_rate > 0.0:
            raise CaloforgeError(
                f"dropout is {self.dropout} and learning_rate {self.learning_rate}, expected a dropout from 0 to below "
                "1 and a positive learning rate; correct them."
            )
        if self.split != "official":
            _check_split(self.split)

    def as_dict(self) -> dict[str, Any]:
        """For a result file."""
        return asdict(self)

    def counts(self, showers: int, known_as: str = "") -> tuple[int, int, int]:
        """Showers per class in (train, test, validation) where there are `showers` of each.

        known_as: the preset that the detector is. Raises CaloforgeError where they do not suffice.
        """
        if self.split == "official":
            if known_as not in OFFICIAL_COUNTS:
                raise CaloforgeError(
                    f"The split of the classifier '{self.kind}' is the CaloChallenge's and the detector is none of "
                    f"{', '.join(OFFICIAL_COUNTS)}; use protocol small-n, or give the split as fractions."
                )
            found = OFFICIAL_COUNTS[known_as]
        elif all(isinstance(part, int) for part in self.split):
            found = (int(self.split[0]), int(self.split[1]), int(self.split[2]))
        else:
            train, test, validation = (int(showers * part + 1e-9) for part in self.split)
            whole = abs(sum(self.split) - 1.0) < 1e-9
            found = (train, test, showers - train - test if whole else validation)
        if sum(found) > showers or min(found) < 2:
            raise CaloforgeError(
                f"There are {showers} showers of a class, expected at least {max(sum(found), 10)} for the split of the "
                f"classifier '{self.kind}'; give more showers, or use protocol small-n."
            )
        return found


def _check_split(split: tuple[float, float, float]) -> None:
    whole = all(isinstance(part, int) for part in split)
    if len(split) != 3 or min(split) <= 0 or (not whole and sum(split) > 1 + 1e-9):
        raise CaloforgeError(
            f"split is {split}, expected three positive whole numbers, three fractions that sum to at most 1, or "
            "'official'; correct it."
        )


_FRACTIONS = (0.6, 0.2, 0.2)


def _set(kinds: tuple[Kind, ...], **changes: Any) -> dict[str, ClassifierSettings]:
    return {kind: ClassifierSettings(kind, **changes) for kind in kinds}


_BEFORE = _set(("low", "low-normed", "high"), hidden=512, thresholded=False, vector="2022-10", split=_FRACTIONS)
_SINCE = _set(("low", "low-normed", "high"))
_VIT = _set(KINDS, epochs=100, split=_FRACTIONS)

OFFICIAL: Mapping[str, Mapping[str, ClassifierSettings]] = {
    "2022-10": _BEFORE,
    "2023-05": _BEFORE,
    "2023-11": _SINCE,
    "2024-05": {**_SINCE, "resnet": ClassifierSettings("resnet")},
    "2024-07": {**_SINCE, "resnet": ClassifierSettings("resnet")},
    "vit4hep": {**_VIT, "resnet": replace(_VIT["resnet"], epochs=50)},
}
"""Classifiers by protocol and kind. The official code trains in float64: `replace(settings, precision="float64")`."""


def official_classifiers(protocol: str) -> Mapping[str, ClassifierSettings]:
    """The classifiers of a protocol by kind; raises CaloforgeError for a protocol that has none."""
    if protocol not in OFFICIAL:
        raise CaloforgeError(
            f"'{protocol}' is no protocol with official classifiers (there are {', '.join(OFFICIAL)})."
            f"{nearest(protocol, list(OFFICIAL))}"
        )
    return OFFICIAL[protocol]
