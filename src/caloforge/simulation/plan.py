"""A production as a folder: what is asked for, cut into chunks that are simulated one by one and committed each."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from caloforge.documents import read_document, said
from caloforge.errors import CaloforgeError
from caloforge.files import write_text
from caloforge.simulation.request import Request
from caloforge.simulation.tables import Tables, find_tables

SCHEMA = 1
CHUNK_GEV = 500.0
"""Energy that a chunk holds at most, but for its last shower: about a quarter of a minute of one core."""

_CHUNK_SHOWERS = 1000
_SHOWER_GEV = 0.1
"""What a shower costs beside its energy, as an energy."""

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Chunk:
    """Showers [first, stop) with their energy in GeV and the SHA-256 of their seeds and energies."""

    index: int
    first: int
    stop: int
    gev: float
    seeds_sha256: str


class Plan:
    """A request in its folder, with the tables that it uses.

    folder: holds `manifest.json`, finished chunks, logs, and an empty folder for data sets that are not there.
    """

    def __init__(self, folder: Path, request: Request, tables: Tables) -> None:
        self.folder, self.request, self.tables = folder, request, tables

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks, in order; a function of the request alone."""
        energies = self.request.energies_mev.astype(np.float64) / 1000
        cost = energies + _SHOWER_GEV
        found: list[Chunk] = []
        first = 0
        while first < len(energies):
            ends = np.cumsum(cost[first : first + _CHUNK_SHOWERS])
            stop = first + max(1, int(np.searchsorted(ends, CHUNK_GEV, side="right")))
            found.append(self._chunk(len(found), first, stop, float(energies[first:stop].sum())))
            first = stop
        return tuple(found)

    def _chunk(self, index: int, first: int, stop: int, gev: float) -> Chunk:
        seeds = [self.request.seeds(shower) for shower in range(first, stop)]
        digest = hashlib.sha256(json.dumps(seeds).encode())
        digest.update(self.request.energies_mev[first:stop].tobytes())
        return Chunk(index, first, stop, gev, digest.hexdigest())

    @property
    def empty(self) -> Path:
        """An empty folder, for data sets that are not there."""
        folder = self.folder / "empty"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def logs(self) -> Path:
        """Folder of what Geant4 prints."""
        folder = self.folder / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def document(self) -> dict[str, Any]:
        """What the manifest says."""
        return {
            "schema": SCHEMA,
            "request": self.request.document(),
            "geant4_data": {"folder": self.tables.name, "sets": self.tables.origin()},
            "chunks": [asdict(chunk) for chunk in self.chunks],
        }

    def begin(self) -> None:
        """Write the manifest, or make sure that the one that is there is the same.

        Raises CaloforgeError where the folder belongs to another request or other tables.
        """
        manifest = self.folder / _MANIFEST
        if not manifest.is_file():
            write_text(manifest, json.dumps(self.document(), indent=1) + "\n")
            return
        before = _read(manifest)
        for part, now, name in (
            (before["request"], self.request.document(), "another request"),
            (before["geant4_data"]["sets"], self.tables.origin(), "other Geant4 tables"),
        ):
            changed = [key for key in {**part, **now} if part.get(key) != now.get(key)]
            if changed:
                key = changed[0]
                was, new = _short(part.get(key)), _short(now.get(key))
                raise CaloforgeError(
                    f"{self.folder} was begun with {name} ({key} was {was} and is {new}); "
                    "give the same one to go on, or remove the folder to start again."
                )

    def file(self, index: int) -> Path:
        """Where a finished chunk lies."""
        return self.folder / f"chunk-{index:06d}.npz"


def open_plan(folder: Path, tables: Tables | None = None) -> Plan:
    """The plan that a folder holds; tables: instead of those that it names.

    Raises CaloforgeError where there is no manifest, or one of a newer schema.
    """
    document = _read(folder / _MANIFEST)
    found = tables or find_tables(document["geant4_data"]["folder"])
    plan = Plan(folder, Request.from_document(document["request"]), found)
    plan.begin()
    return plan


def _read(manifest: Path) -> dict[str, Any]:
    kind, remedy = "manifest of a simulation", "name the folder that `caloforge simulate` began"
    document = read_document(manifest, SCHEMA, kind, remedy)
    try:
        document["request"]["detectors"], document["geant4_data"]["sets"], document["geant4_data"]["folder"]
    except (KeyError, TypeError) as error:
        raise CaloforgeError(f"{manifest} is no {kind} ({said(error)}); {remedy}.") from error
    return document


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(str(each.get("name")) for each in value)
    return repr(value)


def parse_indices(text: str, n: int) -> list[int]:
    """Chunk numbers of "3,7-9", in order, each below n; raises CaloforgeError for anything else."""
    found: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        try:
            first, last = int(low), int(high or low)
        except ValueError as error:
            raise CaloforgeError(f"--only {text}: expected chunk numbers such as 3,7-9.") from error
        if not 0 <= first <= last < n:
            raise CaloforgeError(f"--only {text}: this production has the chunks 0 to {n - 1}; give some of them.")
        found |= set(range(first, last + 1))
    return sorted(found)
