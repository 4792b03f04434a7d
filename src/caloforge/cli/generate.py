"""`caloforge generate`: a checkpoint and incident energies become a file of showers."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from caloforge.cli.arguments import Energies, EverySeed, Quiet, SolverSteps
from caloforge.cli.bar import bar_of
from caloforge.cli.interrupted import resumable


def generate(
    checkpoint: Annotated[
        str,
        typer.Argument(help="Folder of a trained model, or one that comes along, e.g. calogan-teacher."),
    ],
    out: Annotated[Path, typer.Option(help="HDF5 file to write.")],
    like: Annotated[Path | None, typer.Option(help="File of showers: one shower for each of its energies.")] = None,
    energies: Energies = None,
    number: Annotated[
        int | None, typer.Option("-n", "--number", min=1, help="How many showers; for a list: of each energy.")
    ] = None,
    seed: EverySeed = 0,
    batch: Annotated[int, typer.Option(min=1, help="Showers that are generated together.")] = 1000,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the processor.")] = None,
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Allow energies outside the trained range.")
    ] = False,
    mirrors: Annotated[bool, typer.Option("--mirrors", help="Average over the symmetries of the detector.")] = False,
    solver: Annotated[
        str | None,
        typer.Option(help="Of flow matching: euler, midpoint, heun, rk4 or dopri5, instead of the recipe's."),
    ] = None,
    steps: SolverSteps = None,
    engine: Annotated[
        str | None,
        typer.Option(help="fast: own kernels, for CaloFlow and autoencoders; torch: every model. Else the first fit."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Generate showers; interrupted and started again with the same arguments, the file comes out the same."""
    from caloforge.errors import CaloforgeError

    if (like is None) == (energies is None):
        raise CaloforgeError("give either --like FILE or --energies, for example --energies log:1:100GeV -n 1000.")

    from caloforge.cli.engines import engines
    from caloforge.cli.warn import plain_warnings
    from caloforge.models.pretrained import checkpoint_folder
    from caloforge.showers.energies import energies_like, parse_energies

    chosen = engines(engine)
    with plain_warnings():
        wanted = energies_like(like, number) if like is not None else parse_energies(str(energies), number, seed)

    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from caloforge.models.generate import generate as run

    columns = (TextColumn("showers"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = bar_of(*columns, quiet=quiet)
    task = bar.add_task("showers", total=len(wanted))

    def show(n: int) -> None:
        bar.start()
        bar.update(task, completed=n)

    with resumable(f"{out}.partial"), ExitStack() as shown:
        shown.callback(bar.stop)
        done = run(
            checkpoint_folder(checkpoint),
            wanted,
            out,
            seed=seed,
            batch=batch,
            threads=threads,
            extrapolate=extrapolate,
            mirrors=mirrors,
            solver=solver,
            steps=steps,
            engines=chosen,
            progress=show,
        )
    typer.echo(f"{done.showers:,} showers in {out}, {done.redrawn} drawn again, {done.seconds:.1f} s.")
