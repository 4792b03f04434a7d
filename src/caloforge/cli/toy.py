"""`caloforge toy`: flow matching on toy data, couplings side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from caloforge.cli.arguments import whole_numbers
from caloforge.errors import CaloforgeError


def toy(
    name: Annotated[
        str, typer.Argument(metavar="TOY", help="moons, 8gaussians, checkerboard, or on the line mixture, two-peaks.")
    ] = "8gaussians",
    out: Annotated[Path, typer.Option(help="Folder for figure and numbers.")] = Path("toy-output"),
    coupling: Annotated[
        list[str] | None,
        typer.Option(help="independent, sinkhorn, exact-ot, ...; may be given several times. Default: these three."),
    ] = None,
    path: Annotated[str, typer.Option(help="linear, lipman or variance-preserving.")] = "linear",
    prediction: Annotated[str, typer.Option(help="What the network says: velocity, data or noise.")] = "velocity",
    time: Annotated[
        str, typer.Option(help="Law of the training times: uniform, logit-normal, stratified.")
    ] = "uniform",
    solver: Annotated[str, typer.Option(help="euler, midpoint, heun, rk4 or dopri5.")] = "euler",
    steps: Annotated[str, typer.Option(help="Numbers of steps at which W2 is taken.")] = "1,2,4,8,16,32",
    updates: Annotated[int, typer.Option(help="Updates of each training.")] = 1000,
    batch_size: Annotated[int, typer.Option(help="Points of a batch; each is coupled as a whole.")] = 256,
    samples: Annotated[int, typer.Option(help="Points on each side of every W2.")] = 1000,
    seeds: Annotated[int, typer.Option(help="Trainings of each coupling.")] = 3,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
) -> None:
    """Train velocity fields on toy data in seconds; show trajectories, straightness and W2 for each coupling.

    Writes TOY.png, TOY.pdf and TOY.json.
    """
    import json

    from caloforge.files import write_together
    from caloforge.generative.choices import COUPLINGS, PATHS, PREDICTIONS, SOLVERS, TIME_LAWS, chosen
    from caloforge.playground import TOYS, Settings, compare, default_couplings
    from caloforge.playground.figure import draw, encoded
    from caloforge.playground.table import table

    data = TOYS[name]
    couplings = {label: chosen(COUPLINGS, label) for label in coupling} if coupling else default_couplings(data)
    settings = Settings(
        couplings=couplings,
        path=chosen(PATHS, path),
        prediction=chosen(PREDICTIONS, prediction),
        time_law=chosen(TIME_LAWS, time),
        solver=chosen(SOLVERS, solver),
        steps=whole_numbers(steps, "--steps", "1,2,4,8"),
        updates=updates,
        batch_size=batch_size,
        samples=samples,
        seeds=seeds,
        seed=seed,
    )
    if out.exists() and not out.is_dir():
        raise CaloforgeError(f"--out {out} is a file; give a folder.")
    comparison = compare(name, data, settings, typer.echo)
    figure = draw(comparison)
    files = {f"{name}.{form}": encoded(figure, form) for form in ("png", "pdf")}
    files[f"{name}.json"] = (json.dumps(comparison.as_json(), indent=1) + "\n").encode()
    write_together(out, files.items())
    typer.echo("")
    typer.echo(table(comparison))
    typer.echo(str((out / f"{name}.png").resolve()))
