"""Arguments that several commands share: their help, once, and how their texts are read."""

from __future__ import annotations

from typing import Annotated

import typer

from caloforge.errors import CaloforgeError

Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
EverySeed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Energies = Annotated[str | None, typer.Option(help="log:1:100GeV, uniform:1:100GeV, or a list such as 1,10,50GeV.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes, each with its own Geant4.")]
SolverSteps = Annotated[int | None, typer.Option(min=1, help="Steps of the solver, instead of the recipe's.")]
UnsaidDetector = Annotated[str | None, typer.Option(help="Preset or detector file, where the file does not say.")]


def parse_rows(text: str | None, total: int, option: str, form: str = "FIRST:END") -> tuple[int, int]:
    """First row and end (not included) of 'FIRST:END' within a file of `total` showers; either may be left out.

    form: how the option's help calls the two. Raises CaloforgeError unless they select rows.
    """
    first, colon, end = (text or ":").partition(":")
    try:
        start, stop = int(first or 0), int(end or total)
    except ValueError:
        start = stop = -1
    if not colon or not 0 <= start < stop <= total:
        raise CaloforgeError(f"{option} is '{text}', expected {form} within 0:{total}, for example 0:{total}.")
    return start, stop


def whole_numbers(text: str, option: str, example: str) -> tuple[int, ...]:
    """Whole numbers from '1,2,4'; raises CaloforgeError for anything else, with an example."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise CaloforgeError(f"{option} is '{text}', expected whole numbers, for example {example}.") from error
