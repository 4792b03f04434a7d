"""`caloforge simulate`: Geant4 showers in CaloChallenge HDF5; and `simulate-chunks`, its part for batch systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caloforge.cli.arguments import Energies, EverySeed, Quiet, Workers
from caloforge.cli.bar import bar_of
from caloforge.cli.interrupted import resumable

if TYPE_CHECKING:
    from caloforge.simulation import Chunk, Request


def simulate(
    detector: Annotated[str, typer.Option(help="Preset or detector file; several that share a construction: ds2,ds3.")],
    out: Annotated[Path, typer.Option(help="HDF5 file to write; {detector} in its name stands for each detector.")],
    energies: Energies = None,
    number: Annotated[
        int | None, typer.Option("-n", "--number", help="How many showers; for a list: of each energy.")
    ] = None,
    particle: Annotated[
        str | None, typer.Option(help="e-, e+, gamma, pi+, ...; the detector's own if not given.")
    ] = None,
    workers: Workers = 1,
    seed: EverySeed = 0,
    theta: Annotated[
        str | None, typer.Option(help="Angle to the z axis: 80deg, uniform:70:90deg; perpendicular if not given.")
    ] = None,
    phi: Annotated[str, typer.Option(help="Azimuthal angle: 0deg, uniform:0:360deg.")] = "0deg",
    smear: Annotated[str, typer.Option(help="Shift across the direction: uniform:-5:5mm, gauss:2mm.")] = "0mm",
    cut: Annotated[float, typer.Option(help="Production cut in mm.")] = 0.7,
    physics: Annotated[str, typer.Option(help="em (G4EmStandardPhysics) or FTFP_BERT.")] = "em",
    scoring: Annotated[
        str | None, typer.Option(help="Point of a step that decides its voxel: prestep, midpoint or poststep.")
    ] = None,
    turned: Annotated[
        int, typer.Option(help="More voxelisations of each shower, turned about the beam by random angles.")
    ] = 0,
    geant4_data: Annotated[
        str | None, typer.Option(help="Folder of Geant4's data tables, or 'subset' for those that come along.")
    ] = None,
    dask: Annotated[str | None, typer.Option(help="Address of a Dask scheduler whose workers simulate.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Write the manifest of chunks only, for a batch system.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate showers with Geant4; interrupted and started again, it goes on and the file comes out the same."""
    from caloforge.detectors import load_detector
    from caloforge.simulation import Request, find_tables, missing_chunks, produce
    from caloforge.simulation.engine import require_geant4
    from caloforge.simulation.produce import make_plan
    from caloforge.simulation.tables import require_sets

    detectors = tuple(load_detector(name.strip()) for name in detector.split(","))
    chosen = particle or detectors[0].particle
    request = Request(
        detectors,
        chosen,
        energies or _usual_energies(detectors[0].name),
        number,
        seed,
        theta,
        phi,
        smear,
        cut,
        physics,
        scoring,
        turned,
    )
    tables = find_tables(geant4_data)
    require_sets(tables, hadronic=physics != "em")
    require_geant4()
    if plan:
        made = make_plan(request, out, tables)
        if made is None:
            typer.echo(f"{out} is there already.")
        else:
            typer.echo(f"{len(made.chunks)} chunks, {len(missing_chunks(made))} of them missing, in {made.folder}.")
        return
    with _progress(request, quiet) as show, resumable(out):
        done = produce(request, out, tables, _runner(workers, dask), show)
    if done is None:
        typer.echo(f"{out} is there already.")
    else:
        files = " and ".join(map(str, done.files))
        typer.echo(f"{done.showers:,} showers in {files}, {done.cpu_seconds / done.showers:.3f} CPU seconds each.")


def simulate_chunks(
    folder: Annotated[Path, typer.Argument(help="Folder that `caloforge simulate --plan` wrote.")],
    only: Annotated[str | None, typer.Option(help="Chunks to look at, e.g. 3,7-9; all if not given.")] = None,
    part: Annotated[int, typer.Option(min=0, help="Number of this job, from 0; it takes every --of-th chunk.")] = 0,
    of: Annotated[int, typer.Option(min=1, help="Number of jobs.")] = 1,
    workers: Workers = 1,
    geant4_data: Annotated[str | None, typer.Option(help="Folder of the tables on this machine.")] = None,
    quiet: Quiet = False,
) -> None:
    """Simulate those chunks of a plan that are missing; any number of these may run at a time."""
    from caloforge.errors import CaloforgeError
    from caloforge.simulation import find_tables, missing_chunks, open_plan
    from caloforge.simulation.plan import parse_indices
    from caloforge.simulation.worker import run_chunks

    if part >= of:
        raise CaloforgeError(f"--part {part} of --of {of}: jobs are numbered from 0 to {of - 1}.")
    plan = open_plan(folder, find_tables(geant4_data) if geant4_data else None)
    wanted = parse_indices(only, len(plan.chunks)) if only else range(len(plan.chunks))
    missing = missing_chunks(plan, [plan.chunks[index] for index in wanted if index % of == part])
    with _progress(plan.request, quiet, sum(chunk.gev for chunk in missing)) as show, resumable(folder):
        run_chunks(plan, missing, workers, show)
    typer.echo(f"{len(missing)} chunks simulated in {folder}.")


def _usual_energies(name: str) -> str:
    from caloforge.errors import CaloforgeError

    usual = {"siw-ecal": "uniform:10:100GeV", "calogan": "uniform:1:100GeV", "ds2": "log:1:1000GeV"}
    if name not in usual:
        raise CaloforgeError("give --energies, for example --energies log:1:100GeV.")
    return usual[name]


def _runner(workers: int, dask: str | None) -> Callable[..., None]:
    from caloforge.simulation import run_here, run_on_dask

    return run_here(workers) if dask is None else run_on_dask(dask)


@contextmanager
def _progress(request: Request, quiet: bool, gev: float | None = None) -> Iterator[Callable[[Chunk], None]]:
    """A bar over simulated energy, with showers per second."""
    import time

    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    total = float(request.energies_mev.sum(dtype="float64")) / 1000 if gev is None else gev
    columns = (
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} GeV"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    bar = bar_of(*columns, quiet=quiet)
    task = bar.add_task("simulate", total=total, rate="")
    began, showers = time.monotonic(), 0

    def show(chunk: Chunk) -> None:
        nonlocal showers
        showers += chunk.stop - chunk.first
        rate = showers / max(time.monotonic() - began, 1e-9)
        bar.update(task, advance=chunk.gev, rate=f"{rate:.1f} showers/s")

    with bar:
        yield show
