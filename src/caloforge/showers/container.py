"""Showers in memory: what came in, what was deposited where, in which detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Showers:
    """N showers of one detector with V voxels.

    incident_energy_mev: energy of the incoming particle, (N,) MeV.
    deposits_mev:        energy in each voxel, (N, V) MeV, in the detector's order; float32 or float64.
    conditions:          what else the showers depend on, by name (angles, particle), (N, ...).
    extras:              what a format carries besides, by name (CaloGAN's overflow), (N, ...).

    Values are not looked at here (generated showers may not be finite); files are checked when read and written.

    Raises CaloforgeError for shapes that do not fit.
    """

    incident_energy_mev: Array
    deposits_mev: Array
    detector: Detector
    conditions: Mapping[str, Array] = field(default_factory=dict)
    extras: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        energy, deposits = _floating(self.incident_energy_mev), _floating(self.deposits_mev)
        if energy.ndim == 2 and energy.shape[1] == 1:
            energy = energy[:, 0]
        object.__setattr__(self, "incident_energy_mev", energy)
        object.__setattr__(self, "deposits_mev", deposits)
        if energy.ndim != 1 or deposits.ndim != 2 or deposits.shape[1] != self.detector.n_voxels:
            raise CaloforgeError(
                f"Showers of '{self.detector.name}' need incident_energy_mev (N,) and deposits_mev "
                f"(N, {self.detector.n_voxels}), but {energy.shape} and {deposits.shape} were given."
            )
        named = {"deposits_mev": deposits, **self.conditions, **self.extras}
        for name, array in named.items():
            if np.ndim(array) == 0 or len(array) != len(energy):
                raise CaloforgeError(
                    f"'{name}' has the shape {np.shape(array)}, but there are {len(energy)} incident energies; "
                    "one row per shower is needed."
                )

    def __len__(self) -> int:
        return len(self.incident_energy_mev)

    def __getitem__(self, rows: slice | int | Array | Sequence[int] | Sequence[bool]) -> Showers:
        """The showers of a slice, a mask or an index array; of one number, a single shower, still with N = 1."""
        if isinstance(rows, (int, np.integer)):
            chosen: slice | Array = np.array([int(rows)])
        else:
            chosen = rows if isinstance(rows, slice) else np.asarray(rows)
        return replace(
            self,
            incident_energy_mev=self.incident_energy_mev[chosen],
            deposits_mev=self.deposits_mev[chosen],
            conditions={name: array[chosen] for name, array in self.conditions.items()},
            extras={name: array[chosen] for name, array in self.extras.items()},
        )

    def above_threshold(self, threshold_mev: float | None = None) -> Showers:
        """The same showers with every voxel below the threshold (strictly; the detector's by default) set to zero."""
        limit = self.detector.threshold_mev if threshold_mev is None else threshold_mev
        return replace(self, deposits_mev=np.where(self.deposits_mev < limit, 0, self.deposits_mev))

    @staticmethod
    def concatenate(parts: Sequence[Showers]) -> Showers:
        """All showers of several parts, in order.

        Raises CaloforgeError for no parts, different detectors, or conditions and extras that only some parts have.
        """
        if not parts:
            raise CaloforgeError("There are no showers to concatenate; give at least one part.")
        first = parts[0]
        for part in parts[1:]:
            same = part.detector is first.detector or part.detector.fingerprint() == first.detector.fingerprint()
            if not same:
                raise CaloforgeError(
                    f"Showers of '{first.detector.name}' and of '{part.detector.name}' cannot be concatenated; "
                    "the detectors differ."
                )
            if set(part.conditions) != set(first.conditions) or set(part.extras) != set(first.extras):
                raise CaloforgeError(
                    f"Showers with {_names(first)} and with {_names(part)} cannot be concatenated; "
                    "give all parts the same conditions and extras."
                )
        return Showers(
            np.concatenate([part.incident_energy_mev for part in parts]),
            np.concatenate([part.deposits_mev for part in parts]),
            first.detector,
            {name: np.concatenate([part.conditions[name] for part in parts]) for name in first.conditions},
            {name: np.concatenate([part.extras[name] for part in parts]) for name in first.extras},
        )


def _floating(given: Any) -> Array:
    """float32 and float64 as they are; float16 and integers as float32 and float64."""
    array: Array = np.asarray(given)
    if array.dtype in (np.float32, np.float64):
        return array
    converted: Array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    return converted


def _names(showers: Showers) -> str:
    return f"[{', '.join(sorted([*showers.conditions, *showers.extras]))}]"
