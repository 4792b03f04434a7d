"""One chunk of a production: simulated, written beside its place and renamed."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.files import replaced
from caloforge.simulation.aim import aim
from caloforge.simulation.collect import Hits
from caloforge.simulation.engine import Engine, Primary
from caloforge.simulation.grid import Grid
from caloforge.simulation.plan import Chunk, Plan
from caloforge.simulation.request import Request
from caloforge.simulation.steps import POINTS

Arrays = Mapping[str, NDArray[Any]]

_PLAIN = ("cpu_seconds", "geant4", "slow_because", "checksum")


def engine_for(plan: Plan) -> Engine:
    """Geant4 in this process, as the plan needs it."""
    request = plan.request
    return Engine(request.construction, request.physics, request.cut_mm, POINTS[request.point], plan.tables, plan.empty)


def simulate_chunk(plan: Plan, chunk: Chunk, engine: Engine) -> None:
    """Simulate the showers of a chunk and write them to the plan's file of it."""
    arrays = simulate(plan.request, chunk.first, chunk.stop, engine)
    with replaced(plan.file(chunk.index)) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def simulate(request: Request, first: int, stop: int, engine: Engine) -> dict[str, NDArray[Any]]:
    """The showers [first, stop) of a request: per detector k `deposits_k` (n, V), `overflow_k` (n, L) in MeV and,

    where asked for, `turned_k` (n, turned, V); further `cpu_seconds` (n,), Geant4's version and a checksum.
    """
    scorer = _Scorer(request, first, stop)
    engine.run(request.particle, scorer.primaries(), scorer.score, scorer.finish)
    arrays = scorer.arrays()
    return {
        **arrays,
        "cpu_seconds": np.array(scorer.cpu_seconds),
        "geant4": np.array(engine.version),
        "slow_because": np.array(engine.slow_because),
        "checksum": np.array(_checksum(arrays)),
    }


def read_chunk(file: Path, chunk: Chunk) -> dict[str, NDArray[Any]] | None:
    """The arrays of a finished chunk; None where it is missing, cut short or damaged."""
    try:
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
        whole = str(arrays["checksum"]) == _checksum(arrays)
        return arrays if whole and len(arrays["cpu_seconds"]) == chunk.stop - chunk.first else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile):
        return None


def _checksum(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        if name not in _PLAIN:
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


class _Scorer:
    """Puts the hits of one shower after the other into the voxels of every detector and every turn."""

    def __init__(self, request: Request, first: int, stop: int) -> None:
        self.request, self.first, self.n = request, first, stop - first
        self.aims = [
            aim(request.construction, request.theta_rad[i], request.phi_rad[i], request.shifts_mm[i])
            for i in range(first, stop)
        ]
        self.grids = [Grid.of(detector) for detector in request.detectors]
        self.copies = 1 + request.turned
        self.stored = [np.zeros((self.n, self.copies, grid.n_voxels), dtype=np.float32) for grid in self.grids]
        self.beside = [np.zeros((self.n, len(grid.fronts_mm)), dtype=np.float32) for grid in self.grids]
        self.cpu_seconds: list[float] = []
        self._begin()

    def primaries(self) -> list[Primary]:
        """The particles, in order."""
        energies = self.request.energies_mev[self.first : self.first + self.n]
        numbers = range(self.first, self.first + self.n)
        return [
            Primary(float(energy), one, self.request.seeds(number))
            for energy, one, number in zip(energies, self.aims, numbers, strict=True)
        ]

    def _begin(self) -> None:
        number = self.first + len(self.cpu_seconds)
        self.turns = np.concatenate([[0.0], self.request.turns_rad(number)])
        self.deposits = [np.zeros((self.copies, grid.n_voxels)) for grid in self.grids]
        self.overflow = [np.zeros((self.copies, len(grid.fronts_mm))) for grid in self.grids]

    def score(self, hits: Hits) -> None:
        """Add hits to the running shower."""
        one = self.aims[len(self.cpu_seconds)]
        for grid, deposits, overflow in zip(self.grids, self.deposits, self.overflow, strict=True):
            for turn, voxels, outside in zip(self.turns, deposits, overflow, strict=True):
                grid.add(hits, one.origin_mm, one.axes, turn, voxels, outside)

    def finish(self, cpu_seconds: float) -> None:
        """Store the running shower and begin the next."""
        row, scale = len(self.cpu_seconds), self.request.construction.scale
        for stored, beside, deposits, overflow in zip(
            self.stored, self.beside, self.deposits, self.overflow, strict=True
        ):
            stored[row] = deposits * scale
            beside[row] = overflow[0] * scale
        self.cpu_seconds.append(cpu_seconds)
        if len(self.cpu_seconds) < self.n:
            self._begin()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was stored, by name."""
        found: dict[str, NDArray[Any]] = {}
        for k, (stored, beside) in enumerate(zip(self.stored, self.beside, strict=True)):
            found |= {f"deposits_{k}": stored[:, 0], f"overflow_{k}": beside}
            if self.request.turned:
                found[f"turned_{k}"] = stored[:, 1:]
        return found
