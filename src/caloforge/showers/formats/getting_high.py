"""Getting High (ILD): `30x30/energy` (N, 1) GeV and `30x30/layers` (N, 30, 30, 30) MeV."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from caloforge.detectors import CartesianLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.showers.container import Array, Showers
from caloforge.showers.formats.base import FORMATS, Shapes, others, rank, with_others

_ENERGY, _LAYERS = "30x30/energy", "30x30/layers"


class GettingHigh:
    """Images by layer, then x, then y. Source: arXiv 2005.05334 and github.com/FLC-QU-hep/getting_high."""

    name = "getting-high"
    required: tuple[str, ...] = (_ENERGY, _LAYERS)
    incident_unit = "GeV"

    def recognises(self, names: Collection[str]) -> bool:
        """The group `30x30` is this format's alone."""
        return any(name.startswith("30x30/") for name in names)

    def n_voxels(self, shapes: Shapes) -> int:
        """The product of the image's axes."""
        return int(np.prod(rank(shapes, _LAYERS, "(N, layers, n_x, n_y)", (4,))[1:]))

    def fits(self, shapes: Shapes, detector: Detector) -> bool:
        """Equal cartesian layers of the image's shape."""
        self.n_voxels(shapes)
        return _grid(detector) == shapes[_LAYERS][1:]

    def decode(self, arrays: Mapping[str, Array], detector: Detector) -> Showers:
        """The image flattened."""
        conditions, extras = others(arrays, self.required)
        image = arrays[_LAYERS]
        return Showers(arrays[_ENERGY], image.reshape(len(image), -1), detector, conditions, extras)

    def encode(self, showers: Showers) -> dict[str, Array]:
        """Deposits as an image."""
        grid = _grid(showers.detector)
        if grid is None:
            raise CaloforgeError(
                f"The getting-high format holds equal cartesian layers, which '{showers.detector.name}' has not; "
                "write calochallenge instead."
            )
        own = {_ENERGY: showers.incident_energy_mev[:, None], _LAYERS: showers.deposits_mev.reshape(-1, *grid)}
        return with_others(own, showers)


def _grid(detector: Detector) -> tuple[int, int, int] | None:
    shapes = {layer.shape for layer in detector.layers if isinstance(layer, CartesianLayer)}
    if len(shapes) != 1 or not all(isinstance(layer, CartesianLayer) for layer in detector.layers):
        return None
    return detector.n_layers, *next(iter(shapes))


FORMATS.add("getting-high", GettingHigh())
