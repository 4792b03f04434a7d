"""A calorimeter as data: layers with their grids, in the order in which deposits are stored."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from caloforge.detectors import symmetry as symmetry_room
from caloforge.detectors.construction import Construction
from caloforge.detectors.layer import CylindricalLayer, Floats, Integers, Layer, frozen
from caloforge.errors import CaloforgeError
from caloforge.registry import nearest


@dataclass(frozen=True)
class Detector:
    """A calorimeter of L layers with V voxels in all, numbered layer after layer.

    threshold_mev: a voxel below it (strictly) counts as empty, as in read-out.
    calibration:   factor per layer from deposited to calibrated energy, or None where deposits are used as they are.
    particle:      what usually enters it, e.g. "photon"; showers may say otherwise.
    symmetry:      names of the exact symmetries of the whole set-up (see `symmetries`); nothing is assumed.
    construction:  what it is built of, for Geant4, or None where that is not known; no part of the fingerprint.

    Raises CaloforgeError for no layers, a bad threshold, a calibration of another length, a symmetry the grid lacks.

    >>> slab = CylindricalLayer("0", r_edges_mm=(0, 5, 10), n_alpha=8, front_mm=0, back_mm=20)
    >>> Detector("mine", layers=(slab,), threshold_mev=0.1).n_voxels
    16
    """

    name: str
    layers: tuple[Layer, ...]
    threshold_mev: float
    calibration: tuple[float, ...] | None = None
    particle: str = ""
    symmetry: tuple[str, ...] = ()
    construction: Construction | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "symmetry", tuple(self.symmetry))
        object.__setattr__(self, "threshold_mev", float(self.threshold_mev))
        if not self.layers:
            raise CaloforgeError(f"Detector '{self.name}' has no layers; give it at least one.")
        if not (math.isfinite(self.threshold_mev) and self.threshold_mev >= 0):
            raise CaloforgeError(
                f"Detector '{self.name}' has threshold_mev = {self.threshold_mev}; it must be finite and not negative."
            )
        if self.calibration is not None:
            object.__setattr__(self, "calibration", tuple(float(factor) for factor in self.calibration))
            if len(self.calibration) != len(self.layers) or not all(0 < c < math.inf for c in self.calibration):
                raise CaloforgeError(
                    f"Detector '{self.name}' has {len(self.layers)} layers, but its calibration is {self.calibration}; "
                    "give one positive factor per layer."
                )
        for name in self.symmetry:
            if name not in symmetry_room.NAMES:
                raise CaloforgeError(
                    f"Detector '{self.name}' declares the symmetry '{name}', but there are only "
                    f"{', '.join(symmetry_room.NAMES)}.{nearest(name, list(symmetry_room.NAMES))}"
                )
            symmetry_room.permutation(name, self.layers)

    @property
    def n_layers(self) -> int:
        """L."""
        return len(self.layers)

    @property
    def n_voxels(self) -> int:
        """V."""
        return self.offsets[-1]

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each layer begins in the flat order, L + 1 numbers, the last one V."""
        return (0, *(int(end) for end in np.cumsum([layer.n_voxels for layer in self.layers])))

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The part of the flat order that is each layer's."""
        return tuple(slice(*pair) for pair in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    @cached_property
    def layer_of_voxel(self) -> Integers:
        """Index of the layer of each voxel, (V,)."""
        index = np.repeat(np.arange(self.n_layers, dtype=np.int64), np.diff(self.offsets))
        index.flags.writeable = False
        return index

    @cached_property
    def x_mm(self) -> Floats:
        """x of the voxels' centres, (V,) mm."""
        return frozen(np.concatenate([layer.x_mm for layer in self.layers]))

    @cached_property
    def y_mm(self) -> Floats:
        """y of the voxels' centres, (V,) mm."""
        return frozen(np.concatenate([layer.y_mm for layer in self.layers]))

    @cached_property
    def r_mm(self) -> Floats:
        """Distance of the voxels' centres from the axis, (V,) mm."""
        return frozen(np.concatenate([layer.r_mm for layer in self.layers]))

    @cached_property
    def z_mm(self) -> Floats:
        """Depth of the voxels' centres along the axis, (V,) mm; NaN in layers whose depth is not known."""
        return frozen(np.array([_middle(layer) for layer in self.layers])[self.layer_of_voxel])

    @cached_property
    def volumes_mm3(self) -> Floats:
        """Volumes of the voxels, (V,) mm^3; NaN in layers whose depth is not known."""
        depth = np.array([_depth(layer) for layer in self.layers])[self.layer_of_voxel]
        return frozen(np.concatenate([layer.areas_mm2 for layer in self.layers]) * depth)

    def neighbours(self) -> Integers:
        """Pairs (i, j), i < j, of voxels of the same layer that share an edge, (pairs, 2), in the flat order."""
        starts = self.offsets[:-1]
        return np.concatenate([x.neighbours() + start for x, start in zip(self.layers, starts, strict=True)])

    def symmetries(self) -> dict[str, Integers]:
        """Permutations (V,) by name of the exact symmetries: `deposits[:, p]` are showers as likely as `deposits`.

        Only what the detector declares, without the identity: a grid may well be even where the material is not.
        """
        return {name: symmetry_room.permutation(name, self.layers) for name in self.symmetry}

    def views(self, symmetric: bool = True) -> Integers:
        """Voxel orders (S, V) of equally likely showers: the identity and, where `symmetric`, the exact symmetries."""
        identity = np.arange(self.n_voxels)
        found = [order for _, order in sorted(self.symmetries().items())] if symmetric else []
        return np.stack([identity, *(order for order in found if (order != identity).any())])

    def fingerprint(self) -> str:
        """16 hexadecimal digits of grid, depths, threshold and calibration; equal for equal detectors of any name."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        layers = [
            [type(layer).__name__, *(getattr(layer, field.name) for field in fields(layer) if field.name != "name")]
            for layer in self.layers
        ]
        text = json.dumps([layers, self.threshold_mev, self.calibration])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def same_grid(self, other: Detector) -> bool:
        """Whether both have the same voxels in the same order, whatever depths, thresholds and names are."""
        return len(self.layers) == len(other.layers) and all(map(_same_voxels, self.layers, other.layers))


def _same_voxels(a: Layer, b: Layer) -> bool:
    if isinstance(a, CylindricalLayer) or isinstance(b, CylindricalLayer):
        return (
            isinstance(a, CylindricalLayer)
            and isinstance(b, CylindricalLayer)
            and (a.r_edges_mm, a.n_alpha) == (b.r_edges_mm, b.n_alpha)
        )
    return (a.x_edges_mm, a.y_edges_mm) == (b.x_edges_mm, b.y_edges_mm)


def _middle(layer: Layer) -> float:
    return math.nan if layer.front_mm is None or layer.back_mm is None else (layer.front_mm + layer.back_mm) / 2


def _depth(layer: Layer) -> float:
    return math.nan if layer.front_mm is None or layer.back_mm is None else layer.back_mm - layer.front_mm
