"""What a trained factor was fitted to, as the kernels take it, and what the fast classes give back."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from caloforge.deployment.fast.panels import Floats
from caloforge.factors.transforms import SmoothStandardise


class Generated(NamedTuple):
    """Deposits (N, V) and layer energies (N, L) in MeV, and the mismatch (N,) of the two (zero where a factor has
    none)."""

    deposits_mev: Floats
    layer_energy_mev: Floats
    mismatch: Floats


def array(value: Tensor) -> Floats:
    """A tensor as a contiguous array of float32."""
    return np.ascontiguousarray(value.detach().cpu().float().numpy())


def standard(transform: SmoothStandardise) -> tuple[Any, ...]:
    """Energies, means, spreads and least log of the spread."""
    coefficients = array(transform.mean_coefficients), array(transform.spread_coefficients)
    return array(transform.log_energy_range), *coefficients, np.float32(math.log(transform.floor))
