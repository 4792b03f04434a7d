"""Par04 and LEMURS: `incident_energy` (N,) MeV and `showers` (N, R, phi, Z) MeV."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from caloforge.detectors import CylindricalLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.showers.container import Array, Showers
from caloforge.showers.formats.base import FORMATS, Shapes, others, rank, with_others


class Par04:
    """Depth runs fastest, the radius slowest: the full transpose of CaloChallenge's (Z, alpha, R).

    `incident_theta` and `incident_phi` of LEMURS become conditions.
    Source: Geant4, examples/extended/parameterisations/Par04, training/root2h5.py.
    """

    name = "par04"
    required: tuple[str, ...] = ("incident_energy", "showers")
    incident_unit = "MeV"

    def recognises(self, names: Collection[str]) -> bool:
        """`incident_energy`, in the singular, is this format's alone."""
        return "incident_energy" in names

    def n_voxels(self, shapes: Shapes) -> int:
        """R * phi * Z of `showers`."""
        return int(np.prod(rank(shapes, "showers", "(N, R, phi, Z)", (4,))[1:]))

    def fits(self, shapes: Shapes, detector: Detector) -> bool:
        """Z equal cylindrical layers of (phi, R)."""
        self.n_voxels(shapes)
        return _grid(detector) == shapes["showers"][1:]

    def decode(self, arrays: Mapping[str, Array], detector: Detector) -> Showers:
        """Transposed to (Z, phi, R) and flattened."""
        conditions, extras = others(arrays, self.required)
        grid = arrays["showers"]
        flat = np.ascontiguousarray(grid.transpose(0, 3, 2, 1)).reshape(len(grid), -1)
        return Showers(arrays["incident_energy"], flat, detector, conditions, extras)

    def encode(self, showers: Showers) -> dict[str, Array]:
        """Transposed back to (R, phi, Z)."""
        grid = _grid(showers.detector)
        if grid is None:
            raise CaloforgeError(
                f"The par04 format holds equal cylindrical layers, which '{showers.detector.name}' has not; "
                "write calochallenge instead."
            )
        deposits = showers.deposits_mev.reshape(-1, *grid[::-1]).transpose(0, 3, 2, 1)
        own = {"incident_energy": showers.incident_energy_mev, "showers": np.ascontiguousarray(deposits)}
        return with_others(own, showers)


def _grid(detector: Detector) -> tuple[int, int, int] | None:
    """(R, phi, Z) of a detector whose layers are cylindrical and equal."""
    shapes = {layer.shape for layer in detector.layers if isinstance(layer, CylindricalLayer)}
    if len(shapes) != 1 or not all(isinstance(layer, CylindricalLayer) for layer in detector.layers):
        return None
    n_phi, n_r = next(iter(shapes))
    return n_r, n_phi, detector.n_layers


FORMATS.add("par04", Par04())
