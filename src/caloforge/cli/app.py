"""Assembles the commands; a CaloforgeError of any of them becomes one line on stderr and exit code 2."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from caloforge import __version__
from caloforge.cli.interrupted import orderly_end
from caloforge.errors import CaloforgeError

COMMANDS = (
    "info", "convert", "simulate", "train", "generate", "evaluate", "compare", "standings", "export", "benchmark",
    "demo", "toy", "doctor",
)  # fmt: skip


class _Group(TyperGroup):
    """A group of commands that ends in order, says a CaloforgeError in one line and exits with 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with orderly_end():
                return super().invoke(ctx)
        except CaloforgeError as error:
            typer.echo(f"caloforge: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Generative models of calorimeter showers, from Geant4 to a judged surrogate.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"caloforge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


for _name in COMMANDS:
    app.command(_name)(getattr(importlib.import_module(f"caloforge.cli.{_name}"), _name))
app.command("simulate-chunks")(importlib.import_module("caloforge.cli.simulate").simulate_chunks)
app.add_typer(importlib.import_module("caloforge.cli.geant4_data").geant4_data, name="geant4-data")
