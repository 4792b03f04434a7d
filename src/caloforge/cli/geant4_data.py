"""`caloforge geant4-data`: Geant4's data tables, fetched or looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caloforge.cli.arguments import Quiet
from caloforge.cli.bar import bar_of
from caloforge.cli.interrupted import resumable

if TYPE_CHECKING:
    from caloforge.simulation import DataSet

geant4_data = typer.Typer(no_args_is_help=True, help="Geant4's data tables: install them, or see which are there.")


@geant4_data.command("install")
def install(
    to: Annotated[Path | None, typer.Option(help="Folder to install into.")] = None,
    hadronic: Annotated[bool, typer.Option("--hadronic", help="Also the tables of hadronic physics.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All twelve data sets.")] = False,
    source: Annotated[str | None, typer.Option("--from", help="Address to fetch from; CERN's by default.")] = None,
    quiet: Quiet = False,
) -> None:
    """Fetch Geant4's official tables with their checksums; interrupted, the same command goes on."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from caloforge.simulation.install import ADDRESS, chosen_sets, install_sets
    from caloforge.simulation.tables import install_folder

    folder = to or install_folder()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with resumable(folder), bar_of(*columns, quiet=quiet) as bar:
        tasks = {each.name: bar.add_task(each.folder, start=False) for each in chosen_sets(hadronic, everything)}

        def show(each: DataSet, have: int, total: int) -> None:
            bar.start_task(tasks[each.name])
            bar.update(tasks[each.name], completed=have, total=total or None)

        found = install_sets(folder, chosen_sets(hadronic, everything), show, source or ADDRESS)
    for place in found:
        typer.echo(str(place))


@geant4_data.command("list")
def show_sets(
    geant4_data: Annotated[str | None, typer.Option(help="Folder of the tables, or 'subset'.")] = None,
) -> None:
    """Say which data sets are there, and what each is for."""
    from caloforge.simulation import DATA_SETS, find_tables

    tables = find_tables(geant4_data)
    purposes = {"em": "every run", "hadronic": "hadronic physics", "": "special physics"}
    for each in DATA_SETS:
        place = tables.folders.get(each.name)
        typer.echo(f"{each.folder:<24} {purposes[each.needed_for]:<18} {place or 'not there'}")
