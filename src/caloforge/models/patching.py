"""Patches of a detector's voxels for a transformer: runs of equal layers, each cut into blocks of its own size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CylindricalLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.nn.patches import Indices, PatchLayout, Position

Patch = tuple[int, int, int]


def patch_layout(detector: Detector, patches: Patch | Sequence[Patch]) -> PatchLayout:
    """Patches (layers, alpha bins, r bins) of cylindrical layers, (layers, x bins, y bins) of cartesian ones.

    patches: one size for the whole detector, or one for each of its runs of layers with equal grids. Every run is a
    kind of its own. Positions are depth by number of the layer, then alpha (periodic) and r, or x and y over the
    detector's largest extent. Raises CaloforgeError where a size does not divide a run, naming the layer and the
    sizes that would, and where the number of sizes is not that of the runs.

    >>> patch_layout(preset("ds2"), (3, 16, 1))
    PatchLayout(6480 voxels in 135 patches: 135 of 48)
    """
    runs = _runs(detector)
    sizes: list[Patch] = [patches] * len(runs) if _is_one(patches) else list(patches)  # type: ignore[list-item, arg-type]
    if len(sizes) != len(runs):
        raise CaloforgeError(
            f"patches has {len(sizes)} sizes, but detector '{detector.name}' has {len(runs)} runs of layers with equal"
            f" grids ({', '.join(_said(detector, run) for run in runs)}); give one size for each, or a single one."
        )
    kinds: list[Indices] = []
    positions: list[Position] = []
    periodic = all(isinstance(layer, CylindricalLayer) for layer in detector.layers)
    for run, size in zip(runs, sizes, strict=True):
        _check(detector, run, size)
        shape = (len(run), *detector.layers[run[0]].shape)
        flat = np.arange(detector.offsets[run[0]], detector.offsets[run[-1] + 1]).reshape(shape)
        kinds.append(tuple(map(tuple, _cut(flat, size).tolist())))
        depth, first, second = _axes(detector, run)
        middles = [_cut(np.broadcast_to(axis, shape), size).mean(-1) for axis in (depth, first, second)]
        positions += [(float(a), float(b), float(c)) for a, b, c in zip(*middles, strict=True)]
    return PatchLayout(tuple(kinds), tuple(positions), (False, periodic, False))


def _is_one(patches: Patch | Sequence[Patch]) -> bool:
    return all(isinstance(part, int) for part in patches)


def _runs(detector: Detector) -> list[list[int]]:
    """Numbers of the layers of every run with equal grids, in their order."""

    def grid(number: int) -> tuple[object, ...]:
        layer = detector.layers[number]
        if isinstance(layer, CylindricalLayer):
            return "cylindrical", layer.r_edges_mm, layer.n_alpha
        return "cartesian", layer.x_edges_mm, layer.y_edges_mm

    return [list(numbers) for _, numbers in groupby(range(detector.n_layers), key=grid)]


def _check(detector: Detector, run: list[int], size: Patch) -> None:
    shape = (len(run), *detector.layers[run[0]].shape)
    names = ("layers", *_names(detector, run[0]))
    if len(size) != len(names):
        raise CaloforgeError(f"The patch {list(size)} has {len(size)} numbers; give {', '.join(names)}.")
    for name, whole, part in zip(names, shape, size, strict=True):
        if part < 1 or whole % part:
            fitting = ", ".join(str(n) for n in range(1, whole + 1) if whole % n == 0)
            raise CaloforgeError(
                f"The patch {list(size)} does not divide {_said(detector, run)} of detector '{detector.name}': it"
                f" takes {part} of {whole} {name}; {fitting} would divide them."
            )


def _said(detector: Detector, run: list[int]) -> str:
    first, last = (detector.layers[number] for number in (run[0], run[-1]))
    a, b = _names(detector, run[0])
    grid = f"{first.shape[0]} {a} x {first.shape[1]} {b}"
    return f"layer '{first.name}' ({grid})" if len(run) == 1 else f"layers '{first.name}' to '{last.name}' ({grid})"


def _names(detector: Detector, number: int) -> tuple[str, str]:
    round_ = isinstance(detector.layers[number], CylindricalLayer)
    return ("alpha bins", "r bins") if round_ else ("x bins", "y bins")


def _cut(grid: NDArray[Any], size: Patch) -> NDArray[Any]:
    """Blocks (patches, voxels in each) of a grid (layers, a, b)."""
    (l, a, b), (i, j, k) = grid.shape, size  # noqa: E741
    return grid.reshape(l // i, i, a // j, j, b // k, k).transpose(0, 2, 4, 1, 3, 5).reshape(-1, i * j * k)


def _axes(detector: Detector, run: list[int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Depth, first and second coordinate from 0 to 1 (alpha: in turns) of the voxels of a run, to be broadcast."""
    layer = detector.layers[run[0]]
    depth = (np.array(run, dtype=float) + 0.5) / detector.n_layers
    if isinstance(layer, CylindricalLayer):
        first = layer.alpha.reshape(layer.shape) / (2 * np.pi) + 0.5
        second = layer.r_mm.reshape(layer.shape) / max(float(one.r_mm.max()) for one in detector.layers)
    else:
        extent = max(float(np.abs([*one.x_mm, *one.y_mm]).max()) for one in detector.layers)
        first = layer.x_mm.reshape(layer.shape) / (2 * extent) + 0.5
        second = layer.y_mm.reshape(layer.shape) / (2 * extent) + 0.5
    return depth[:, None, None], first[None], second[None]
