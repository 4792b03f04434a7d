"""Generation to disk: in constant memory, resumable with the same bytes, unphysical showers drawn again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caloforge import __version__
from caloforge.errors import CaloforgeError
from caloforge.files import replaced, write_text
from caloforge.generative.flow_matching import OdeSettings
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.engine import Draw, Engine, TorchEngine
from caloforge.models.sampling import chosen_sampler
from caloforge.models.seen import Seen
from caloforge.models.shower_model import ShowerModel
from caloforge.randomness import numpy_generator, stream_seed
from caloforge.showers import Showers, ShowerWriter

TOLERANCE = 0.05
GAPS = 5.0
"""A finite sample does not reach the ends of its range: energies within this relative distance of its extremes, or
within this number of mean gaps between its energies (but half the lowest at most), count as inside."""

LARGEST_MISMATCH = 0.1
"""A shower whose voxels and layer energies differ by more than this share of its energy is drawn again; one in a few
hundred is, a voxel far off that outweighs its layer. It is kept where a few further draws are no better."""

_SECOND_THOUGHTS = 5
_ROWS_PER_FILE = 1000
_ATTEMPTS = 20
_NOTED = ("weights_sha256", "engine", "seed", "batch", "threads", "mirrors", "torch", "numba")
"""Settings that become attributes of the file."""


@dataclass(frozen=True)
class Generated:
    """What a generation did: showers written, draws repeated, seconds spent on showers in this run."""

    showers: int
    redrawn: int
    seconds: float


def generate(
    checkpoint: Path | str,
    incident_energy_mev: NDArray[np.float32],
    out: Path | str,
    *,
    seed: int = 0,
    batch: int = 1000,
    threads: int | None = None,
    extrapolate: bool = False,
    mirrors: bool = False,
    solver: str | None = None,
    steps: int | None = None,
    engines: Sequence[Engine] = (TorchEngine(),),
    progress: Callable[[int], None] | None = None,
) -> Generated:
    """Generate one shower for each incident energy (N,) in MeV and write them to the HDF5 file `out`.

    Finished pieces wait in OUT.partial; started again with the same settings it goes on there, and the file comes out
    the same, byte by byte. mirrors: pass each shower through a random symmetry of the detector, which averages the
    model over them. solver, steps: of models that are integrated, instead of the recipe's. engines: what may compute
    the showers; the first that knows the model does, and each gives bytes of its own. progress: called with the number
    of showers done so far. Raises CaloforgeError where energies are outside the trained range without `extrapolate`,
    `out` exists, settings changed, a solver is unknown, no engine knows the model, or a shower stays unphysical.
    """
    out = Path(out)
    energies = np.ascontiguousarray(incident_energy_mev, dtype=np.float32)
    if not len(energies):
        raise CaloforgeError(
            "there are no incident energies to generate for; give -n of at least 1 or a file with showers."
        )
    if batch < 1:
        raise CaloforgeError(f"--batch is {batch}; give at least 1.")
    if out.exists():
        raise CaloforgeError(f"{out} exists; choose another name, or remove it first.")
    model, recipe, provenance = load_checkpoint(checkpoint)
    if not extrapolate:
        check_range(energies, provenance["incident_range_mev"], provenance.get("incident_energies"))
    largest_ratio = float(recipe.model.get("beta", 1.2 * provenance.get("largest_total_over_incident", 1.0)))
    sampler = chosen_sampler(recipe.model_of(str(provenance["stage"])), solver, steps, recipe.name)
    identity = {
        "weights_sha256": provenance.get("weights_sha256", ""),
        "engine": "",
        "energies_sha256": hashlib.sha256(energies.tobytes()).hexdigest(),
        "showers": len(energies),
        "seed": seed,
        "batch": batch,
        "mirrors": mirrors,
        "sampler": None if sampler is None else sampler.model_dump(),
        "caloforge": __version__,
        "torch": str(torch.__version__),
        "numba": version("numba"),
    }
    with _threads(threads) as used:
        engine, showers = _first_that_knows(engines, model, None if sampler is None else sampler.settings(), used)
        draw = _Draw(showers, seed, largest_ratio, model.detector.views(mirrors))
        settings = {**identity, "engine": engine, "threads": used}
        partial = out.with_name(out.name + ".partial")
        _same_settings(partial, settings)
        per_file = batch * max(1, _ROWS_PER_FILE // batch)
        seconds = 0.0
        pieces = []
        for first in range(0, len(energies), per_file):
            stop = min(first + per_file, len(energies))
            piece = partial / f"showers-{first:012d}.npz"
            pieces.append(piece)
            if _read_piece(piece, stop - first) is None:
                began = time.perf_counter()
                parts = [draw(energies[i : min(i + batch, stop)], i // batch) for i in range(first, stop, batch)]
                seconds += time.perf_counter() - began
                deposits = np.concatenate([part[0] for part in parts])
                with replaced(piece) as beside, beside.open("wb") as file:
                    np.savez(file, deposits=deposits, redrawn=sum(part[1] for part in parts))
            if progress is not None:
                progress(stop)
    seen = Seen.of_checkpoint(provenance)
    about = {"recipe": recipe.name, "stage": str(provenance.get("stage", "")), **(seen.attributes() if seen else {})}
    particle = provenance.get("data", {}).get("attributes", {}).get("particle") or model.detector.particle
    redrawn = _merge(partial / out.name, pieces, energies, model, settings, about, str(particle))
    os.replace(partial / out.name, out)
    shutil.rmtree(partial)
    return Generated(len(energies), redrawn, seconds)


def check_range(
    incident_energy_mev: NDArray[np.float32], incident_range_mev: list[float], n_trained: int | None = None
) -> None:
    """Raise CaloforgeError where energies in MeV lie outside the range (low, high) that a model was trained on.

    n_trained: how many energies spanned that range; the fewer, the further its ends may lie.
    """
    low, high = float(incident_range_mev[0]), float(incident_range_mev[1])
    gap = GAPS * (high - low) / n_trained if n_trained else 0.0
    lowest = min(low * (1 - TOLERANCE), max(low - gap, low / 2))
    highest = max(high * (1 + TOLERANCE), high + gap)
    outside = (incident_energy_mev < lowest) | (incident_energy_mev > highest)
    if outside.any():
        example = float(incident_energy_mev[np.flatnonzero(outside)[0]])
        raise CaloforgeError(
            f"{int(outside.sum())} of {len(incident_energy_mev)} incident energies (first: {example:g} MeV) are "
            f"outside the {low:g} to {high:g} MeV that the model was trained on; "
            "choose energies within, or give --extrapolate."
        )


def physical(deposits_mev: Tensor, incident_energy_mev: Tensor, largest_ratio: float) -> Tensor:
    """Which showers (N, V) are finite, not negative, and deposit no more than `largest_ratio` of their energy (N,)."""
    finite = torch.isfinite(deposits_mev).all(dim=1) & (deposits_mev >= 0).all(dim=1)
    total = deposits_mev.double().sum(dim=1)
    # The sum of rounded voxels may pass the bound by a little.
    return finite & (total <= largest_ratio * incident_energy_mev.double() * (1 + 1e-4))


class _Draw:
    """Showers of one batch and the number drawn again; a function of (seed, batch number) alone."""

    def __init__(self, showers: Draw, seed: int, largest_ratio: float, views: NDArray[np.int64]) -> None:
        self.showers, self.seed, self.largest_ratio, self.views = showers, seed, largest_ratio, views

    def __call__(self, energies: NDArray[np.float32], index: int) -> tuple[NDArray[np.float32], int]:
        energy = torch.from_numpy(energies)
        deposits, doubtful = self._sample(energy, "generate", index)
        bad = ~physical(deposits, energy, self.largest_ratio)
        redrawn = 0
        for attempt in range(_ATTEMPTS):
            again = bad | doubtful if attempt < _SECOND_THOUGHTS else bad
            if not again.any():
                break
            rows = torch.nonzero(again)[:, 0]
            redrawn += len(rows)
            deposits[rows], doubtful[rows] = self._sample(energy[rows], "redraw", index, attempt)
            bad = ~physical(deposits, energy, self.largest_ratio)
        else:
            if bad.any():
                raise CaloforgeError(
                    f"{int(bad.sum())} showers (one of {float(energy[bad][0]):g} MeV) stayed unphysical "
                    f"after {_ATTEMPTS} draws; "
                    "the model does not know this energy, choose others or train longer."
                )
        showers = deposits.numpy().astype(np.float32, copy=False)
        if len(self.views) > 1:
            rng = numpy_generator(self.seed, "generate-mirror", index)
            chosen = rng.integers(0, len(self.views), size=len(showers))
            showers = np.take_along_axis(showers, self.views[chosen], axis=1)
        return showers, redrawn

    def _sample(self, energy: Tensor, purpose: str, *indices: int) -> tuple[Tensor, Tensor]:
        """Deposits (N, V) in MeV, and which showers contradict themselves (N,)."""
        generator = torch.Generator().manual_seed(stream_seed(self.seed, purpose, *indices))
        state = self.showers(energy, generator)
        mismatch = state.get("mismatch", torch.zeros(len(energy)))
        return state["deposits_mev"], ~(mismatch <= LARGEST_MISMATCH)


def _first_that_knows(
    engines: Sequence[Engine], model: ShowerModel, sampler: OdeSettings | None, threads: int
) -> tuple[str, Draw]:
    """Name and draws of the first engine that does not refuse the model; the last one's refusal is raised."""
    *others, last = engines
    for engine in others:
        try:
            return engine.name, engine.draw(model, sampler, threads)
        except CaloforgeError:
            continue
    return last.name, last.draw(model, sampler, threads)


def _same_settings(partial: Path, settings: dict[str, Any]) -> None:
    noted = partial / "settings.json"
    if not noted.is_file():
        write_text(noted, json.dumps(settings, indent=1) + "\n")
        return
    try:
        before = json.loads(noted.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CaloforgeError(f"{noted} is damaged ({error}); remove {partial} and start again.") from error
    changed = [key for key in settings if before.get(key) != settings[key]]
    if changed:
        key = changed[0]
        raise CaloforgeError(
            f"{partial} was begun with other settings ({key} was {before.get(key)!r} and is {settings[key]!r}); "
            "use the same ones to go on, or remove it to start again."
        )


def _read_piece(piece: Path, n: int) -> tuple[NDArray[np.float32], int] | None:
    """Deposits and redraw count of a finished piece; None where it is missing or not whole."""
    if not piece.is_file():
        return None
    try:
        with np.load(piece) as stored:
            deposits, redrawn = stored["deposits"], int(stored["redrawn"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return (deposits, redrawn) if len(deposits) == n else None


def _merge(
    out: Path,
    pieces: list[Path],
    energies: NDArray[np.float32],
    model: ShowerModel,
    settings: dict[str, Any],
    about: dict[str, str],
    particle: str,
) -> int:
    """Write the pieces into one file with attributes about the model; returns the number of draws repeated."""
    redrawn = 0
    for piece in pieces:
        with np.load(piece) as stored:
            redrawn += int(stored["redrawn"])
    attributes = {
        "generator": f"caloforge {__version__}",
        **about,
        "redrawn": redrawn,
        **{key: settings[key] for key in _NOTED},
    }
    if settings["sampler"] is not None:
        attributes["sampler"] = json.dumps(settings["sampler"])
    if particle:
        attributes["particle"] = particle
    first = 0
    with ShowerWriter(out, model.detector, attributes=attributes) as writer:
        for piece in pieces:
            with np.load(piece) as stored:
                deposits = stored["deposits"]
            writer.append(Showers(energies[first : first + len(deposits)], deposits, model.detector))
            first += len(deposits)
    return redrawn


@contextmanager
def _threads(threads: int | None) -> Iterator[int]:
    """Run with this many threads of torch (None: as it is); gives the number used."""
    before = torch.get_num_threads()
    if threads is not None:
        if threads < 1:
            raise CaloforgeError(f"--threads is {threads}; give at least 1.")
        torch.set_num_threads(threads)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
