"""What a trained factor was fitted to, as the kernels take it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from caloforge.deployment.fast.panels import Floats, Integers
from caloforge.factors import LayerEnergies, VoxelEnergies, VoxelHits
from caloforge.factors.transforms import SmoothStandardise


def array(value: Tensor) -> Floats:
    """A tensor as a contiguous array of float32."""
    return np.ascontiguousarray(value.detach().cpu().float().numpy())


def standard(transform: SmoothStandardise) -> tuple[Any, ...]:
    """Energies, means, spreads and least log of the spread."""
    coefficients = array(transform.mean_coefficients), array(transform.spread_coefficients)
    return array(transform.log_energy_range), *coefficients, np.float32(math.log(transform.floor))


def offsets(slices: Sequence[slice]) -> Integers:
    """Where each layer's voxels begin, and the number of all of them: (L + 1,)."""
    return np.array([0, *(layer.stop for layer in slices)], dtype=np.int64)


def to_layers(energies: LayerEnergies) -> tuple[Any, ...]:
    """What `layer_energies` needs between x and the layers: the standardisation, then beta and alpha."""
    return *standard(energies.standardise), np.float32(energies.fractions.beta), np.float32(energies.logit.alpha)


def to_voxels(voxels: VoxelEnergies | VoxelHits) -> tuple[Any, ...]:
    """What `deposits_of_energies` and `deposits_of_hits` need: the standardisation, the range that generated values
    stay in, edge and offset of the log, the threshold, and the layers' offsets."""
    numbers = (voxels.log.edge, voxels.log.offset, voxels.threshold_mev)
    return (
        *standard(voxels.standardise), array(voxels.lowest), array(voxels.highest),
        *(np.float32(number) for number in numbers), offsets(voxels.slices),
    )  # fmt: skip
