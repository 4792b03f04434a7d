"""`caloforge export`: a checkpoint becomes files of another runtime, compared with PyTorch before they appear."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from caloforge.cli.arguments import SolverSteps


def export(
    checkpoint: Annotated[
        str, typer.Argument(help="Folder of a trained model, or one that comes along, e.g. calogan-student.")
    ],
    to: Annotated[str, typer.Option(help="onnx, torch, openvino, keras or sofie.")],
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist.")],
    contract: Annotated[
        str | None, typer.Option(help="Rules of a C++ program that calls it: par04-vae, par04-dit or ddml.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="float32; for onnx also float16 and bf16, of the stored weights (the graph computes in float32); for "
            "openvino also bf16, in which it then computes."
        ),
    ] = "float32",
    target: Annotated[str | None, typer.Option(help="Version that must run it, e.g. ort=1.17 or root=6.42.")] = None,
    solver: Annotated[
        str | None, typer.Option(help="Of flow matching: euler, midpoint, heun or rk4, instead of the recipe's.")
    ] = None,
    steps: SolverSteps = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the showers that are compared.")] = 0,
) -> None:
    """Export the whole generation, from incident energy and noise to MeV per voxel."""
    import warnings

    from caloforge.deployment.export import export as run
    from caloforge.models.pretrained import checkpoint_folder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = run(
            checkpoint_folder(checkpoint),
            to,
            out,
            contract=contract,
            precision=precision,
            target=target,
            solver=solver,
            steps=steps,
            seed=seed,
        )
    typer.echo(f"{done.folder}: {', '.join(done.files)}")
    typer.echo(f"{done.agreement.showers} showers, {done.agreement}")
