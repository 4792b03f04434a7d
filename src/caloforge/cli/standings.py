"""`caloforge standings`: our results beside the CaloChallenge's official tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def standings(
    results: Annotated[
        list[Path] | None,
        typer.Argument(help="results.json files, or folders that hold one; none: official rows only."),
    ] = None,
    detector: Annotated[
        list[str] | None, typer.Option(help="ds1-photons, ds1-pions, ds2 or ds3; by default those of the results.")
    ] = None,
    sort: Annotated[str, typer.Option(help="Number to sort by: auc_high, auc_low, fpd, ...")] = "auc_high",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for standings.html, standings.md and the Pareto fronts; none by default."),
    ] = None,
) -> None:
    """Show the official tables with our results in them; what cannot be compared is marked."""
    from caloforge.cli.tables import show
    from caloforge.errors import CaloforgeError
    from caloforge.evaluation.standings import detectors, detectors_of, standing
    from caloforge.evaluation.standings_page import KEYS, remarks, table, write_standings

    if sort not in KEYS:
        raise CaloforgeError(f"--sort is '{sort}', expected one of {', '.join(KEYS)}.")
    ours = {path: detectors_of([path])[0] for path in results or []}
    chosen = detector or list(dict.fromkeys(ours.values())) or list(detectors())
    left = [path for path, name in ours.items() if name not in chosen]
    if left:
        raise CaloforgeError(
            f"{left[0]} is about detector '{ours[left[0]]}', but --detector names only {', '.join(chosen)}; "
            "name its detector too or leave it out."
        )
    found = [standing(name, [path for path, of in ours.items() if of == name]) for name in chosen]
    for one in found:
        show(table(one, sort, brief=True))
        for index, text in enumerate(remarks(one), 1):
            typer.echo(f"remark {index}: {text}")
    typer.echo(f"Official rows: {found[0].source}. {found[0].units[0].upper()}{found[0].units[1:]}.")
    if out is not None:
        write_standings(found, out, sort)
        typer.echo(str(out / "standings.html"))
