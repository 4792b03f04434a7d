"""From a request to shower files: plan, chunks, merge."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from caloforge import __version__, processor
from caloforge.errors import CaloforgeError
from caloforge.files import write_text
from caloforge.showers import Showers, ShowerWriter
from caloforge.simulation.chunk import read_chunk
from caloforge.simulation.plan import Chunk, Plan
from caloforge.simulation.request import Request
from caloforge.simulation.tables import Tables

PLACEHOLDER = "{detector}"
_BYTES_PER_VOXEL = 4
_SHARE_KEPT = 0.6
"""Compressed showers take less than this share of their size: those of ds2 a tenth, full ones at 12 bits a half."""

Done = Callable[[Chunk], None]


class Runner(Protocol):
    """Simulates chunks somewhere and calls `done` for each as it is committed."""

    def __call__(self, plan: Plan, chunks: Sequence[Chunk], done: Done) -> None:
        """Simulate these chunks of the plan; raises CaloforgeError where one fails."""


@dataclass(frozen=True)
class Produced:
    """Files that a production wrote, and what it cost: showers, and CPU seconds of all of them."""

    files: tuple[Path, ...]
    showers: int
    cpu_seconds: float


def output_files(out: Path, request: Request) -> tuple[Path, ...]:
    """One file per detector: `out`, with {detector} exchanged for each name where there are several.

    Raises CaloforgeError where several detectors would share a file.
    """
    if len(request.detectors) > 1 and PLACEHOLDER not in out.name:
        names = ", ".join(detector.name for detector in request.detectors)
        raise CaloforgeError(
            f"--out {out} is one file for the detectors {names}; write {PLACEHOLDER} into its name, "
            f"e.g. electrons-{PLACEHOLDER}.hdf5."
        )
    files = tuple(out.with_name(out.name.replace(PLACEHOLDER, detector.name)) for detector in request.detectors)
    twice = next((file for k, file in enumerate(files) if file in files[:k]), None)
    if twice is not None:
        raise CaloforgeError(
            f"--detector names two detectors that would both be written to {twice}; name each once, or give them "
            "different names in their files."
        )
    return files


def partial_folder(out: Path) -> Path:
    """Folder of a running production."""
    return out.with_name(out.name.replace(PLACEHOLDER, "all") + ".partial")


def make_plan(request: Request, out: Path, tables: Tables) -> Plan | None:
    """The plan of a production, begun or taken up again; None where its files are there already.

    Raises CaloforgeError where files belong to another run, and where the disk is too small.
    """
    there = [_is_ours(file, request, tables) for file in output_files(out, request)]
    if all(there):
        shutil.rmtree(partial_folder(out), ignore_errors=True)
        return None
    plan = Plan(partial_folder(out), request, tables)
    _check_disk(out.parent, request, sum(file.stat().st_size for file in plan.folder.glob("chunk-*.npz")))
    plan.begin()
    return plan


def missing_chunks(plan: Plan, among: Sequence[Chunk] | None = None) -> list[Chunk]:
    """Chunks that are not there or not whole; `among` them, if given."""
    looked_at = plan.chunks if among is None else among
    return [chunk for chunk in looked_at if read_chunk(plan.file(chunk.index), chunk) is None]


def produce(request: Request, out: Path, tables: Tables, run: Runner, progress: Done | None = None) -> Produced | None:
    """Simulate what is missing and write the files and their sidecars; None where they were there already.

    progress: called for every chunk, those found finished included. Raises CaloforgeError (see `make_plan`); what was
    already simulated stays, and the same call goes on.
    """
    plan = make_plan(request, out, tables)
    if plan is None:
        return None
    tell = progress or _quiet
    missing = missing_chunks(plan)
    numbers = {chunk.index for chunk in missing}
    for chunk in plan.chunks:
        if chunk.index not in numbers:
            tell(chunk)
    if missing:
        run(plan, missing, tell)
    return merge(plan, out)


def merge(plan: Plan, out: Path) -> Produced:
    """Write the finished chunks into one file per detector, with a sidecar each, and remove the folder.

    Files grow in the plan's folder, so that a kill leaves nothing beside it.
    Raises CaloforgeError where a chunk is missing or damaged.
    """
    request, files = plan.request, output_files(out, plan.request)
    seconds: list[np.ndarray[Any, Any]] = []
    facts: dict[str, set[str]] = {"geant4": set(), "slow_because": set()}
    for k, (file, detector) in enumerate(zip(files, request.detectors, strict=True)):
        with ShowerWriter(plan.folder / file.name, detector, attributes=_attributes(plan)) as writer:
            for chunk in plan.chunks:
                arrays = read_chunk(plan.file(chunk.index), chunk)
                if arrays is None:
                    raise CaloforgeError(
                        f"Chunk {chunk.index} of {plan.folder} is missing or damaged; the same command simulates it."
                    )
                extras = {"overflow": arrays[f"overflow_{k}"]}
                if request.turned:
                    extras["showers_turned"] = arrays[f"turned_{k}"]
                rows = slice(chunk.first, chunk.stop)
                conditions = request.conditions(chunk.first, chunk.stop)
                writer.append(
                    Showers(request.energies_mev[rows], arrays[f"deposits_{k}"], detector, conditions, extras)
                )
                if k == 0:
                    seconds.append(arrays["cpu_seconds"])
                    for name, found in facts.items():
                        found.add(str(arrays[name]))
    cpu = np.concatenate(seconds)
    for file in files:
        write_text(sidecar(file), json.dumps(_sidecar(plan, cpu, facts), indent=1) + "\n")
    for file in files:
        os.replace(plan.folder / file.name, file)
    shutil.rmtree(plan.folder)
    return Produced(files, len(request), float(cpu.sum()))


def sidecar(file: Path) -> Path:
    """Where the provenance of a shower file lies."""
    return file.with_name(file.name + ".provenance.json")


def _attributes(plan: Plan) -> dict[str, Any]:
    """What fixes a file's content."""
    request = plan.request
    first = read_chunk(plan.file(0), plan.chunks[0])
    facts = {
        "generator": f"caloforge {__version__} with Geant4 {first['geant4'] if first else 'unknown'}",
        "particle": request.particle,
        "incident_energies_law": request.energies,
        "seed": request.seed,
        "theta": request.theta or "perpendicular",
        "phi": request.phi,
        "smear": request.smear,
        "physics": request.physics,
        "production_cut_mm": request.cut_mm,
        "scoring": request.point,
        "geant4_data": json.dumps(plan.tables.origin()),
        "geant4_commands": json.dumps(plan.tables.commands()),
        "request": request.fingerprint(),
    }
    if request.n is not None:
        facts["number"] = request.n
    if request.turned:
        facts |= {"turned": request.turned, "showers_turned_first_row": 0}
    return facts


def _sidecar(plan: Plan, cpu: np.ndarray[Any, Any], facts: dict[str, set[str]]) -> dict[str, Any]:
    request = plan.request
    low, median, high = np.quantile(cpu, [0.16, 0.5, 0.84])
    slow = sorted(facts["slow_because"] - {""})
    return {
        "schema": 1,
        **_attributes(plan),
        "geant4_data": {"folder": plan.tables.name, "sets": plan.tables.origin()},
        "geant4_commands": plan.tables.commands(),
        "geant4": sorted(facts["geant4"]),
        "detectors": {each.name: each.fingerprint() for each in request.detectors},
        "construction": request.document()["detectors"][0]["construction"],
        "showers": len(request),
        "chunks": len(plan.chunks),
        "hits_collected": f"through the bindings, because {slow[0]}" if slow else "by the compiled action",
        "cpu_seconds": {
            "total": float(cpu.sum()),
            "mean_per_shower": float(cpu.mean()),
            "quantiles_16_50_84_per_shower": [float(low), float(median), float(high)],
            "per_gev": float(cpu.sum() / request.energies_mev.sum(dtype=np.float64) * 1000),
        },
        "hardware": {
            "processor": processor.name(),
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
    }


def _is_ours(file: Path, request: Request, tables: Tables) -> bool:
    """Whether a file is there; raises CaloforgeError where it is not this request's, or of other tables."""
    if not file.exists():
        return False
    try:
        with h5py.File(file, "r", locking=False) as opened:
            found, data = opened.attrs.get("request"), opened.attrs.get("geant4_data")
    except OSError:
        found, data = None, None
    if found != request.fingerprint():
        raise CaloforgeError(
            f"{file} exists and belongs to another run; choose another --out, or remove the file first."
        )
    if data != json.dumps(tables.origin()):
        raise CaloforgeError(
            f"{file} exists and was made with other Geant4 tables ({data}, not {json.dumps(tables.origin())}); choose "
            "another --out, or remove the file first."
        )
    return True


def _check_disk(folder: Path, request: Request, finished: int) -> None:
    """Raise CaloforgeError where chunks, beyond those finished (in bytes), and files would not fit on the disk."""
    voxels = sum(detector.n_voxels for detector in request.detectors) * (1 + request.turned)
    needed = max(0.0, 2 * _SHARE_KEPT * _BYTES_PER_VOXEL * voxels * len(request) - finished)
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if needed > free:
        raise CaloforgeError(
            f"{len(request):,} showers of {voxels:,} voxels need up to {_size(needed)} in {folder}, but "
            f"{_size(free)} are free; free some space, choose another folder, or simulate fewer."
        )


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.3g} MB"


def _quiet(chunk: Chunk) -> None:
    pass
