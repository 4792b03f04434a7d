"""CaloGAN: `energy` (N, 1) GeV, `layer_0` .. `layer_2` (N, n_x, n_y) MeV, `overflow` (N, 3) MeV."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from caloforge.detectors import CartesianLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.showers.container import Array, Showers
from caloforge.showers.formats.base import FORMATS, Shapes, others, rank, with_others

_LAYERS = ("layer_0", "layer_1", "layer_2")


class CaloGAN:
    """Three depths as images; `overflow`, the energy beside them, is kept as an extra.

    Source: arXiv 1705.02355 and github.com/hep-lbdl/CaloGAN.
    """

    name = "calogan"
    required: tuple[str, ...] = ("energy", *_LAYERS)
    incident_unit = "GeV"

    def recognises(self, names: Collection[str]) -> bool:
        """`layer_0` is this format's alone."""
        return "layer_0" in names

    def n_voxels(self, shapes: Shapes) -> int:
        """The sum of the three images."""
        return sum(int(np.prod(rank(shapes, name, "(N, n_x, n_y)", (2, 3))[1:])) for name in _LAYERS)

    def fits(self, shapes: Shapes, detector: Detector) -> bool:
        """Three cartesian layers of the same shapes (or the same counts, where the images are flat)."""
        self.n_voxels(shapes)
        grids = [layer.shape for layer in detector.layers if isinstance(layer, CartesianLayer)]
        found = [shapes[name][1:] for name in _LAYERS]
        same = [a == b or a == (b[0] * b[1],) for a, b in zip(found, grids, strict=False)]
        return len(grids) == detector.n_layers == len(_LAYERS) and all(same)

    def decode(self, arrays: Mapping[str, Array], detector: Detector) -> Showers:
        """The images flattened, x bin * n_y + y bin, one after the other."""
        conditions, extras = others(arrays, self.required)
        flat = [arrays[name].reshape(len(arrays[name]), -1) for name in _LAYERS]
        return Showers(arrays["energy"], np.concatenate(flat, axis=1), detector, conditions, extras)

    def encode(self, showers: Showers) -> dict[str, Array]:
        """One image per layer."""
        detector = showers.detector
        if detector.n_layers != 3 or not all(isinstance(layer, CartesianLayer) for layer in detector.layers):
            raise CaloforgeError(
                f"The calogan format holds three cartesian layers, but '{detector.name}' is another detector; "
                "write calochallenge instead."
            )
        images = {
            name: showers.deposits_mev[:, part].reshape(-1, *layer.shape)
            for name, part, layer in zip(_LAYERS, detector.slices, detector.layers, strict=True)
        }
        return with_others({"energy": showers.incident_energy_mev[:, None], **images}, showers)


FORMATS.add("calogan", CaloGAN())
