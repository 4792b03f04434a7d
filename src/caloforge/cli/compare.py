"""`caloforge compare`: several results side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    results: Annotated[list[Path], typer.Argument(help="Two or more results.json, or folders that hold one.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.html, comparison.md and figures; none by default.")
    ] = None,
) -> None:
    """Put several judged models side by side; results of different protocols, detectors or numbers are refused."""
    from caloforge.cli.tables import show
    from caloforge.evaluation.compare import compare as side_by_side
    from caloforge.evaluation.compare import write_comparison

    found = side_by_side(results)
    show(found.table())
    for note in found.notes:
        typer.echo(f"note: {note}")
    if out is not None:
        write_comparison(found, out)
        typer.echo(str(out / "comparison.html"))
