"""Real Geant4 showers for the tests, simulated once with the tables that come along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from caloforge.detectors import Detector
from caloforge.showers import Showers, open_showers
from caloforge.simulation import Request, find_tables, produce, run_here

WORKERS = 2
Simulate = Callable[..., Showers]


def make(out: Path, workers: int = WORKERS, **request: Any) -> Path:
    """Simulate a request into a file."""
    produce(Request(**request), out, find_tables("subset"), run_here(workers))
    return out


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulate:
    """Showers of a detector by particle, energies and number; simulated once for equal arguments."""
    known: dict[Any, Showers] = {}

    def get(detector: Detector, particle: str, energies: str, n: int, **more: Any) -> Showers:
        key = (detector.fingerprint(), detector.construction, particle, energies, n, tuple(more.items()))
        if key not in known:
            out = tmp_path_factory.mktemp("geant4") / "showers.hdf5"
            make(out, detectors=(detector,), particle=particle, energies=energies, n=n, **more)
            with open_showers(out) as file:
                known[key] = file.read()
        return known[key]

    return get
