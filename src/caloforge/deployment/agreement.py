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
ROUNDING = {"bf16": 2.0**-5}
"""Of what voxels hold at a quantile, how much may differ where the runtime computes in less than float32: sixteen times
half a step of a number with eight digits of two."""
ONE_VOXEL_ROUNDED = 0.1

Floats = NDArray[Any]


@dataclass(frozen=True)
class Agreement:
    """Differences to float64 over a shower's energy, at quantiles over all voxels of all showers.

    runtime, pytorch: those of the runtime and of PyTorch in float32; limits: what the runtime's may be. That is TIMES
    PyTorch's own, plus OWN_SHARE of what voxels hold at this quantile; the last, which is a single voxel, may be off by
    ONE_VOXEL, as one that crosses the threshold. No limit is above CEILING of the shower's energy. Where the runtime
    computes in a precision of ROUNDING, this share of what voxels hold takes the place of both, and ONE_VOXEL_ROUNDED
    that of ONE_VOXEL.
    energy: mean and standard deviation of the energy of a shower over that in float64.
    """

    showers: int
    runtime: tuple[float, ...]
    pytorch: tuple[float, ...]
    limits: tuple[float, ...]
    energy: tuple[float, float] = (float("nan"), float("nan"))

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
            "energy_over_float64": {"mean": self.energy[0], "standard_deviation": self.energy[1]},
        }

    def __str__(self) -> str:
        limits = [self.limits[i] for i in (0, 3, 4)]
        return (
            f"difference to float64 over a shower's energy: median {self.runtime[0]:.1e}, 99.9 % "
            f"{self.runtime[3]:.1e}, largest {self.runtime[4]:.1e} (PyTorch in float32: {self.pytorch[0]:.1e}, "
            f"{self.pytorch[3]:.1e}, {self.pytorch[4]:.1e}; limits "
            f"{limits[0]:.1e}, {limits[1]:.1e}, {limits[2]:.1e}); energy of a shower over that in float64: "
            f"{self.energy[0]:.6f} +- {self.energy[1]:.1e}"
        )


def agreement(found: Floats, pytorch: Floats, exact: Floats, computed_in: str = "float32") -> Agreement:
    """Compare showers (N, V): of the runtime, of PyTorch in float32 and of PyTorch in float64, for the same inputs.

    computed_in: the precision of the runtime's products. Values that are not finite count as infinitely far off.
    """
    if found.shape != exact.shape:
        never = (float("inf"),) * len(QUANTILES)
        return Agreement(len(exact), never, never, (0.0,) * len(QUANTILES))
    total = np.abs(exact.reshape(len(exact), -1)).sum(1)
    scale = np.maximum(total, 1e-3 * total.max() + 1e-30).reshape(-1, *[1] * (exact.ndim - 1))
    runtime, torch32 = (_quantiles(np.abs(one - exact) / scale) for one in (found, pytorch))
    held = _quantiles(np.abs(exact) / scale)
    if computed_in in ROUNDING:
        limits = *(min(ROUNDING[computed_in] * one + SMALLEST, CEILING) for one in held[:-1]), ONE_VOXEL_ROUNDED
    else:
        floors = *(OWN_SHARE * one + SMALLEST for one in held[:-1]), ONE_VOXEL
        limits = tuple(min(TIMES * own + floor, CEILING) for own, floor in zip(torch32, floors, strict=True))
    return Agreement(len(exact), runtime, torch32, limits, _energy(found, exact))


def _energy(found: Floats, exact: Floats) -> tuple[float, float]:
    sums, true = (value.reshape(len(exact), -1).sum(1, dtype=np.float64) for value in (found, exact))
    ratio = sums[true > 0] / true[true > 0]
    return float(ratio.mean()), float(ratio.std())


def _quantiles(off: Floats) -> tuple[float, ...]:
    return tuple(float(q) for q in np.quantile(np.where(np.isfinite(off), off, np.inf), QUANTILES, method="lower"))


def first_difference(
    names: list[str], found: list[Floats], pytorch: list[Floats], exact: list[Floats], computed_in: str = "float32"
) -> str | None:
    """The first block whose results part from float64 by more than rounding explains; None where all agree.

    Rounding: TIMES PyTorch's own difference at 99 %, plus 1e-5 of the block's root mean square, or ROUNDING of it.
    """
    share = ROUNDING.get(computed_in, OWN_SHARE)
    for name, one, own, true in zip(names, found, pytorch, exact, strict=True):
        if one.size != true.size:
            return name
        one = one.reshape(true.shape)
        floor = share * float(np.sqrt(np.mean(np.square(true.astype(np.float64))))) + 1e-30
        off, usual = (np.abs(value.astype(np.float64) - true) for value in (one, own))
        worse = np.quantile(np.where(np.isfinite(off), off, np.inf), 0.99, method="lower")
        if not worse <= TIMES * np.quantile(usual, 0.99) + floor:
            return name
    return None
