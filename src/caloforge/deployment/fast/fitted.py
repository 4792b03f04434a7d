"""What a trained factor was fitted to, as the kernels take it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from caloforge.deployment.fast.panels import Floats
from caloforge.factors.transforms import SmoothStandardise


def array(value: Tensor) -> Floats:
    """A tensor as a contiguous array of float32."""
    return np.ascontiguousarray(value.detach().cpu().float().numpy())


def standard(transform: SmoothStandardise) -> tuple[Any, ...]:
    """Energies, means, spreads and least log of the spread."""
    coefficients = array(transform.mean_coefficients), array(transform.spread_coefficients)
    return array(transform.log_energy_range), *coefficients, np.float32(math.log(transform.floor))
