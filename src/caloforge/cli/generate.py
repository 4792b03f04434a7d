"""`caloforge generate`: a checkpoint and incident energies become a file of showers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from caloforge.models.engine import Engine


def generate(
    checkpoint: Annotated[
        str,
        typer.Argument(help="Folder of a trained model, or one that comes along, e.g. calogan-teacher."),
    ],
    out: Annotated[Path, typer.Option(help="HDF5 file to write.")],
    like: Annotated[Path | None, typer.Option(help="File of showers: one shower for each of its energies.")] = None,
    energies: Annotated[
        str | None, typer.Option(help="log:1:100GeV, uniform:1:100GeV, or a list such as 1,10,50GeV.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("-n", "--number", min=1, help="How many showers; for a list: of each energy.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
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
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the solver, instead of the recipe's.")] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="fast: own kernels, for CaloFlow and autoencoders; torch: every model. Else the first fit."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Generate showers; interrupted and started again with the same arguments, the file comes out the same."""
    from caloforge.errors import CaloforgeError

    if (like is None) == (energies is None):
        raise CaloforgeError("give either --like FILE or --energies, for example --energies log:1:100GeV -n 1000.")

    engines = _engines(engine)
    from caloforge.cli.warn import plain_warnings
    from caloforge.models.pretrained import checkpoint_folder
    from caloforge.showers.energies import energies_like, parse_energies

    with plain_warnings():
        wanted = energies_like(like, number) if like is not None else parse_energies(str(energies), number, seed)

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from caloforge.models.generate import generate as run

    columns = (TextColumn("showers"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, disable=quiet or not console.is_terminal)
    task = bar.add_task("showers", total=len(wanted))

    def show(n: int) -> None:
        bar.start()
        bar.update(task, completed=n)

    try:
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
            engines=engines,
            progress=show,
        )
    except KeyboardInterrupt as interrupt:
        typer.echo(f"Interrupted; the same command goes on where it stopped ({out}.partial).", err=True)
        raise typer.Exit(130) from interrupt
    finally:
        bar.stop()
    typer.echo(f"{done.showers:,} showers in {out}, {done.redrawn} drawn again, {done.seconds:.1f} s.")


def _engines(name: str | None) -> tuple[Engine, ...]:
    """The engine of this name, or all, the fastest first; raises CaloforgeError where there is none of this name."""
    from caloforge.deployment.fast import FastEngine
    from caloforge.errors import CaloforgeError
    from caloforge.models.engine import TorchEngine

    known: dict[str, Engine] = {"fast": FastEngine(), "torch": TorchEngine()}
    if name is None:
        return tuple(known.values())
    if name not in known:
        raise CaloforgeError(f"--engine is {name!r}; give {' or '.join(known)}, or leave it out.")
    return (known[name],)
