"""High-level features of showers: energies, centres, widths and sparsity of every layer (CaloChallenge definitions)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CartesianLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.observables.names import layer_label
from caloforge.observables.profile import profile
from caloforge.observables.sums import LayerSums, layer_sums

Array = NDArray[np.floating]
Vector = Literal["2022-10", "2023-11"]
TINY = 1e-16


@dataclass(frozen=True)
class Features:
    """Features of N showers in L layers, of which T (`transverse`) resolve two directions, in float64.

    incident_energy_mev, total_mev: (N,); layer_energy_mev, centre_r_mm, width_r_mm, sparsity: (N, L);
    centre_x_mm, centre_y_mm, width_x_mm, width_y_mm: (N, T); profile: further arrays (N,) by name (depth, moments);
    threshold_mev: below which (strictly) voxels counted as zero.
    """

    incident_energy_mev: Array
    layer_energy_mev: Array
    total_mev: Array
    centre_x_mm: Array
    centre_y_mm: Array
    width_x_mm: Array
    width_y_mm: Array
    sparsity: Array
    centre_r_mm: Array
    width_r_mm: Array
    profile: Mapping[str, Array]
    layer_names: tuple[str, ...]
    transverse: tuple[int, ...]
    axes: tuple[str, str]
    threshold_mev: float = 0.0

    def __len__(self) -> int:
        return len(self.total_mev)

    def __getitem__(self, rows: slice | NDArray[np.generic]) -> Features:
        """Features of some of the showers."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in parts.items():
            if isinstance(value, np.ndarray):
                parts[name] = value[rows]
        parts["profile"] = {name: value[rows] for name, value in self.profile.items()}
        return Features(**parts)

    @staticmethod
    def concatenate(parts: Sequence[Features]) -> Features:
        """Features of several groups of showers in a row; raises CaloforgeError on none."""
        if not parts:
            raise CaloforgeError("There are no showers to take features of, expected at least one; give a fuller file.")
        joined = {field.name: getattr(parts[0], field.name) for field in fields(parts[0])}
        for name, value in joined.items():
            if isinstance(value, np.ndarray):
                joined[name] = np.concatenate([getattr(part, name) for part in parts])
        joined["profile"] = {name: np.concatenate([part.profile[name] for part in parts]) for name in parts[0].profile}
        return Features(**joined)

    def vector(self, kind: Vector = "2023-11") -> NDArray[np.float64]:
        """The high-level vector of the CaloChallenge, in its order and scaling.

        kind: "2023-11", (N, 2 + 4 L + 4 T), or the older "2022-10", (N, 1 + L + 4 T), which has neither the total
        energy nor sparsity nor radial moments. Raises CaloforgeError for another one.
        """
        if kind not in ("2022-10", "2023-11"):
            raise CaloforgeError(f"kind is '{kind}', expected '2022-10' or '2023-11'; name one of these vectors.")
        with np.errstate(divide="ignore"):
            columns = [
                np.log10(self.incident_energy_mev)[:, None],
                np.log10(self.layer_energy_mev + 1e-8),
                self.centre_x_mm / 1e2,
                self.centre_y_mm / 1e2,
                self.width_x_mm / 1e2,
                self.width_y_mm / 1e2,
            ]
            if kind == "2023-11":
                columns += [
                    np.log10(self.total_mev + 1e-8)[:, None],
                    self.sparsity,
                    self.centre_r_mm / 1e2,
                    self.width_r_mm / 1e2,
                ]
        return np.concatenate(columns, axis=1, dtype=np.float64)

    def table(self) -> dict[str, Array]:
        """All one-dimensional observables (N,) by name, as 'EC Eta layer 3'; energies in MeV, lengths in mm."""
        table: dict[str, Array] = {"Etot / Einc": self.total_mev / self.incident_energy_mev}
        names, two = self.layer_names, [self.layer_names[index] for index in self.transverse]
        first, second = self.axes
        for label, layers, values in (
            ("E", names, self.layer_energy_mev),
            (f"EC {first}", two, self.centre_x_mm),
            (f"EC {second}", two, self.centre_y_mm),
            (f"Width {first}", two, self.width_x_mm),
            (f"Width {second}", two, self.width_y_mm),
            ("Sparsity", names, self.sparsity),
            ("EC r", names, self.centre_r_mm),
            ("Width r", names, self.width_r_mm),
        ):
            for column, layer in enumerate(layers):
                table[f"{label} layer {layer}"] = values[:, column]
        table.update(self.profile)
        return table


def features_of(sums: LayerSums, incident_energy_mev: Array, detector: Detector, threshold_mev: float) -> Features:
    """Features of n showers from their sums and their incident energies (n,) MeV."""
    divisor = sums.energy + TINY
    voxels = np.array([layer.n_voxels for layer in detector.layers], dtype=np.float64)[:, None]
    transverse = [
        index for index, layer in enumerate(detector.layers) if isinstance(layer, CartesianLayer) or layer.shape[0] > 1
    ]
    centre_r, width_r = _moments(sums.r, sums.rr, divisor)
    centre_x, width_x = _moments(sums.x[transverse], sums.xx[transverse], divisor[transverse])
    centre_y, width_y = _moments(sums.y[transverse], sums.yy[transverse], divisor[transverse])
    cartesian = isinstance(detector.layers[0], CartesianLayer)
    return Features(
        np.asarray(incident_energy_mev, dtype=np.float64),
        sums.energy.T,
        sums.energy.sum(axis=0),
        centre_x,
        centre_y,
        width_x,
        width_y,
        (1.0 - sums.hits / voxels).T,
        centre_r,
        width_r,
        profile(sums, detector),
        tuple(layer_label(layer.name) for layer in detector.layers),
        tuple(transverse),
        ("x", "y") if cartesian else ("Eta", "Phi"),
        threshold_mev,
    )


def _moments(first: Array, second: Array, divisor: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (n, layers) from sums (layers, n) of the first and the second power."""
    mean = first / divisor
    return mean.T, np.sqrt(np.clip(second / divisor - mean**2, 0.0, None)).T


def high_level(
    deposits_mev: Array,
    incident_energy_mev: Array,
    detector: Detector,
    threshold_mev: float | None = None,
) -> Features:
    """High-level features of showers (N, V) in MeV with incident energies (N,) or (N, 1) in MeV.

    Voxels strictly below the threshold (the detector's own by default) count as zero; sums are taken in float64,
    whatever the precision of the deposits. Definitions: CaloChallenge, arXiv 2410.21611; on cartesian layers x and y
    take the places of eta and phi. Raises CaloforgeError where the shapes do not fit the detector.
    """
    threshold = detector.threshold_mev if threshold_mev is None else threshold_mev
    deposits = np.asarray(deposits_mev)
    if deposits.dtype not in (np.float32, np.float64):
        deposits = deposits.astype(np.float64)
    energy = np.asarray(incident_energy_mev).reshape(-1)
    if deposits.ndim != 2 or deposits.shape != (len(energy), detector.n_voxels):
        raise CaloforgeError(
            f"deposits_mev has shape {deposits.shape}, expected ({len(energy)}, {detector.n_voxels}) for detector "
            f"'{detector.name}' and the incident energies; pass one row of voxels per incident energy."
        )
    return features_of(layer_sums(deposits, detector, threshold, None), energy, detector, threshold)
