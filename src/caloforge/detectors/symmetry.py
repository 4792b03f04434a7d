"""Symmetries of a detector as permutations of its voxels, for augmentation and averaging."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from caloforge.detectors.layer import CylindricalLayer, Integers, Layer
from caloforge.errors import CaloforgeError

Map = Callable[[Integers], Integers]
_CARTESIAN: Mapping[str, Map] = {
    "mirror-x": lambda grid: grid[::-1],
    "mirror-y": lambda grid: grid[:, ::-1],
    "mirror-xy": lambda grid: grid[::-1, ::-1],
    "quarter-turn": lambda grid: np.rot90(grid, 1),
    "three-quarter-turn": lambda grid: np.rot90(grid, 3),
    "mirror-diagonal": lambda grid: grid.T,
    "mirror-antidiagonal": lambda grid: grid[::-1, ::-1].T,
}
_CYLINDRICAL: Mapping[str, Map] = {
    "mirror-alpha": lambda grid: grid[::-1],
    "mirror-pi-alpha": lambda grid: np.roll(grid[::-1], len(grid) // 2, axis=0),
    "half-turn": lambda grid: np.roll(grid, len(grid) // 2, axis=0),
}
NAMES: tuple[str, ...] = (*_CARTESIAN, *_CYLINDRICAL)
"""All symmetries that can be declared; every one maps the shower's axis onto itself."""


def permutation(name: str, layers: tuple[Layer, ...]) -> Integers:
    """The voxel permutation p of a symmetry, (V,) int64: `deposits[:, p]` are the mirrored or turned showers.

    Raises CaloforgeError where the grid of a layer does not have the symmetry.
    """
    parts, offset = [], 0
    for layer in layers:
        if not _has(name, layer):
            raise CaloforgeError(
                f"The grid of layer '{layer.name}' does not have the symmetry '{name}'; leave it out of `symmetry`."
            )
        grid = np.arange(offset, offset + layer.n_voxels, dtype=np.int64).reshape(layer.shape)
        maps = _CYLINDRICAL if isinstance(layer, CylindricalLayer) else _CARTESIAN
        parts.append(maps[name](grid).ravel())
        offset += layer.n_voxels
    whole = np.concatenate(parts)
    whole.flags.writeable = False
    return whole


def _has(name: str, layer: Layer) -> bool:
    if isinstance(layer, CylindricalLayer):
        return name in _CYLINDRICAL and (name == "mirror-alpha" or layer.n_alpha == 1 or layer.n_alpha % 2 == 0)
    if name not in _CARTESIAN:
        return False
    x, y = _even(layer.x_edges_mm), _even(layer.y_edges_mm)
    if name in ("mirror-x", "mirror-y"):
        return x if name == "mirror-x" else y
    square = layer.x_edges_mm == layer.y_edges_mm
    return square if name == "mirror-diagonal" else x and y and (name == "mirror-xy" or square)


def _even(edges: tuple[float, ...]) -> bool:
    return bool(np.allclose(edges, -np.array(edges)[::-1], rtol=0, atol=1e-9 * max(map(abs, edges))))
