"""`caloforge train`: a recipe and a file of showers become a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caloforge.cli.arguments import Quiet
from caloforge.cli.interrupted import goes_on

if TYPE_CHECKING:
    from caloforge.models.train import CallbackMaker

PREVIEW_SHOWERS = 300


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe that comes with caloforge, or a YAML file.")],
    data: Annotated[Path, typer.Option(help="HDF5 file of showers to learn from.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; it becomes the checkpoint.")],
    init: Annotated[str | None, typer.Option(help="Checkpoint to start from, also of another detector.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, e.g. stages.*.training.epochs=5."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Train only these stages (a,b); the others are as in --init.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Keep the weights on disk in float16.")] = False,
    quiet: Quiet = False,
    look: Annotated[
        bool, typer.Option("--preview/--no-preview", help="Draw the model beside Geant4 on the way.")
    ] = True,
) -> None:
    """Train a recipe on a file of showers; started again with the same arguments, it goes on where it stopped."""
    from caloforge.cli.warn import plain_warnings
    from caloforge.models.recipe import load_recipe

    loaded = load_recipe(recipe, changes or [])

    from caloforge.models.pretrained import checkpoint_folder
    from caloforge.models.train import train_recipe

    stages = [name.strip() for name in only.split(",")] if only else []
    with plain_warnings():
        result = train_recipe(
            loaded,
            data,
            out,
            None if init is None else checkpoint_folder(init),
            only=stages,
            callbacks=_previews(data, loaded.detector) if look else None,
            half=half,
            show=not quiet,
        )
    if result.checkpoint is None:
        raise goes_on(out)
    for name, reached in result.stages.items():
        typer.echo(
            f"{name}: best loss {reached['best_loss']:.4f} at step {reached['best_step']}, "
            f"{reached['parameters']:,} parameters, {reached['seconds']:.0f} s"
        )
    typer.echo(f"Checkpoint in {result.checkpoint} after {result.seconds:.0f} s.")


def _previews(data: Path, detector: str) -> CallbackMaker:
    """A figure of every stage's model beside the last showers of the file, which training may have seen."""
    from caloforge.evaluation import Preview
    from caloforge.showers import open_showers

    file = open_showers(data, detector)
    reference = file.read(max(len(file) - PREVIEW_SHOWERS, 0), len(file))
    return lambda model, stage: (Preview(model, stage.factor, reference),)
