"""Whether a runtime gives what PyTorch gives: both are measured against float64, in the same units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)
TIMES = 8.0
OWN_SHARE, SMALLEST = 1e-5, 1e-10
ONE_VOXEL = 1e-4
CEILING = 1e-2

Floats = NDArray[Any]


@dataclass(frozen=True)
class Agreement:
    """Differences to float64 over a shower's energy, at quantiles over all voxels of all showers.

    runtime, pytorch: those of the runtime and of PyTorch in float32; limits: what the runtime's may be. That is TIMES
    PyTorch's own, plus OWN_SHARE of what voxels hold at this quantile; the last, which is a single voxel, may be off by
    ONE_VOXEL, as one that crosses the threshold. No limit is above CEILING of the shower's energy.
    """

    showers: int
    runtime: tuple[float, ...]
    pytorch: tuple[float, ...]
    limits: tuple[float, ...]

    @property
    def good(self) -> bool:
        """Whether every quantile keeps to its limit."""
        return all(found <= limit for found, limit in zip(self.runtime, self.limits, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "showers": self.showers,
            "quantiles": list(QUANTILES),
            "runtime": list(self.runtime),
            "pytorch_float32": list(self.pytorch),
            "limits": list(self.limits),
        }

    def __str__(self) -> str:
        limits = [self.limits[i] for i in (0, 3, 4)]
        return (
            f"difference to float64 over a shower's energy: median {self.runtime[0]:.1e}, 99.9 % "
            f"{self.runtime[3]:.1e}, largest {self.runtime[4]:.1e} (PyTorch in float32: {self.pytorch[0]:.1e}, "
            f"{self.pytorch[3]:.1e}, {self.pytorch[4]:.1e}; limits "
            f"{limits[0]:.1e}, {limits[1]:.1e}, {limits[2]:.1e})"
        )


def agreement(found: Floats, pytorch: Floats, exact: Floats) -> Agreement:
    """Compare showers (N, V): of the runtime, of PyTorch in float32 and of PyTorch in float64, for the same inputs.

    Values that are not finite count as infinitely far off.
    """
    if found.shape != exact.shape:
        never = (float("inf"),) * len(QUANTILES)
        return Agreement(len(exact), never, never, (0.0,) * len(QUANTILES))
    total = np.abs(exact.reshape(len(exact), -1)).sum(1)
    scale = np.maximum(total, 1e-3 * total.max() + 1e-30).reshape(-1, *[1] * (exact.ndim - 1))
    runtime, torch32 = (_quantiles(np.abs(one - exact) / scale) for one in (found, pytorch))
    floors = [OWN_SHARE * held + SMALLEST for held in _quantiles(np.abs(exact) / scale)]
    floors[-1] = ONE_VOXEL
    limits = tuple(min(TIMES * own + floor, CEILING) for own, floor in zip(torch32, floors, strict=True))
    return Agreement(len(exact), runtime, torch32, limits)


def _quantiles(off: Floats) -> tuple[float, ...]:
    return tuple(float(q) for q in np.quantile(np.where(np.isfinite(off), off, np.inf), QUANTILES, method="lower"))


def first_difference(names: list[str], found: list[Floats], pytorch: list[Floats], exact: list[Floats]) -> str | None:
    """The first block whose results part from float64 by more than rounding explains; None where all agree.

    Rounding: TIMES PyTorch's own difference at 99 %, plus 1e-5 of the block's root mean square.
    """
    for name, one, own, true in zip(names, found, pytorch, exact, strict=True):
        if one.size != true.size:
            return name
        one = one.reshape(true.shape)
        floor = 1e-5 * float(np.sqrt(np.mean(np.square(true.astype(np.float64))))) + 1e-30
        off, usual = (np.abs(value.astype(np.float64) - true) for value in (one, own))
        worse = np.quantile(np.where(np.isfinite(off), off, np.inf), 0.99, method="lower")
        if not worse <= TIMES * np.quantile(usual, 0.99) + floor:
            return name
    return None
