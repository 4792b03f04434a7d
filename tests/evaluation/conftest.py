"""Small Geant4-like showers in a cartesian and the real ones of the golden ds2 files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from caloforge.detectors import CartesianLayer, Detector, preset
from caloforge.showers import Showers, open_showers

sys.path.insert(0, str(Path(__file__).parent))
GOLDEN = Path(__file__).parent.parent / "data" / "golden"


def make_detector() -> Detector:
    edges = tuple(np.linspace(-20.0, 20.0, 6))
    layers = tuple(CartesianLayer(str(i), edges, edges, front_mm=10.0 * i, back_mm=10.0 * (i + 1)) for i in range(3))
    return Detector("small", layers, threshold_mev=0.01, symmetry=("mirror-x", "mirror-y", "mirror-xy"))


def make_showers(n: int, seed: int, lost: float = 0.0) -> Showers:
    """Gamma-distributed deposits around the axis; `lost` takes that fraction of the deposits of layer 1 away."""
    detector = make_detector()
    rng = np.random.default_rng(seed)
    energy = rng.uniform(100.0, 1000.0, n)
    shape = np.exp(-detector.r_mm / 8.0) * np.array([0.5, 1.0, 0.4])[detector.layer_of_voxel]
    deposits = rng.gamma(3.0 * shape / shape.max() + 0.05, 1.0, (n, detector.n_voxels))
    deposits *= (0.9 * energy / deposits.sum(axis=1))[:, None]
    deposits[:, detector.slices[1]] *= 1.0 - lost
    return Showers(energy, deposits.astype(np.float32), detector)


@pytest.fixture(scope="session")
def ds2() -> tuple[Showers, Showers]:
    return tuple(open_showers(GOLDEN / f"ds2_{side}.hdf5", preset("ds2")).read() for side in ("reference", "generated"))


@pytest.fixture(scope="session")
def toy_showers() -> Callable[..., Showers]:
    return make_showers
