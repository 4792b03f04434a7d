"""What a file format is: names of datasets, and the way from their rows to showers and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.registry import Registry
from caloforge.showers.container import Array, Showers

Shapes = Mapping[str, tuple[int, ...]]


class Format(Protocol):
    """An HDF5 layout whose datasets all have one row per shower. It knows nothing of files: it is handed arrays."""

    name: str
    required: tuple[str, ...]
    """Datasets without which a file is not of this format; the first one counts the showers."""
    incident_unit: str
    """Unit of the incident energies, "MeV" or "GeV"; deposits are always in MeV."""

    def recognises(self, names: Collection[str]) -> bool:
        """Whether a file with these datasets is probably of this format."""

    def n_voxels(self, shapes: Shapes) -> int:
        """Voxels per shower in a file with the required datasets' shapes; raises CaloforgeError for other ranks."""

    def fits(self, shapes: Shapes, detector: Detector) -> bool:
        """Whether showers of these shapes can be the detector's."""

    def decode(self, arrays: Mapping[str, Array], detector: Detector) -> Showers:
        """Showers of equally many rows of every dataset; incident energies still in the file's unit."""

    def encode(self, showers: Showers) -> dict[str, Array]:
        """Rows of every dataset; incident energies are in the file's unit. Raises CaloforgeError where it cannot."""


FORMATS: Registry[Format] = Registry("file format", "caloforge.formats")
"""All file formats; entry points of the group `caloforge.formats` add to it."""

_CONDITIONS = "conditions/"
_ANGLES = ("incident_theta", "incident_phi")


def others(arrays: Mapping[str, Array], known: Collection[str]) -> tuple[dict[str, Array], dict[str, Array]]:
    """The datasets that a format does not know: conditions (angles, the group `conditions`) and extras (the rest)."""
    rest = {name: array for name, array in arrays.items() if name not in known}
    conditions = {
        name.removeprefix(_CONDITIONS): array
        for name, array in rest.items()
        if name in _ANGLES or name.startswith(_CONDITIONS)
    }
    extras = {name: a for name, a in rest.items() if name not in _ANGLES and not name.startswith(_CONDITIONS)}
    return conditions, extras


def with_others(own: dict[str, Array], showers: Showers) -> dict[str, Array]:
    """A format's own datasets together with the showers' conditions and extras, where `others` finds them again."""
    conditions = {(n if n in _ANGLES else _CONDITIONS + n): array for n, array in showers.conditions.items()}
    for name in {**conditions, **showers.extras}:
        if name in own or (name in conditions and name in showers.extras):
            raise CaloforgeError(f"The name '{name}' is taken twice in the file to be written; rename the extra.")
    return own | conditions | dict(showers.extras)


def rank(shapes: Shapes, name: str, expected: str, ranks: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a dataset; raises CaloforgeError unless it has one of the ranks."""
    shape = shapes[name]
    if len(shape) not in ranks:
        raise CaloforgeError(f"the dataset '{name}' has the shape {shape}, but {expected} is expected")
    return shape
