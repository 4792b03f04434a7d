"""`caloforge convert`: another format, other rows, or the same file in chunks that shuffle and read fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from caloforge.errors import CaloforgeError


def convert(
    file: Annotated[Path, typer.Argument(help="Shower file (HDF5).")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
    to: Annotated[str, typer.Option(help="Format to write.")] = "calochallenge",
    format: Annotated[str | None, typer.Option(help="Format to read, where it is not found by itself.")] = None,
    detector: Annotated[str | None, typer.Option(help="Preset or detector file, where the file does not say.")] = None,
    gev: Annotated[str, typer.Option(help="Energies in GeV: none, incident, deposits or all.")] = "none",
    rows: Annotated[str | None, typer.Option(help="Rows to take, as START:STOP.")] = None,
    compression: Annotated[str, typer.Option(help="gzip, lzf (faster, larger) or none.")] = "gzip",
) -> None:
    """Convert a shower file, or repack it into chunks of whole showers that shuffle and read fast."""
    from caloforge.cli.warn import plain_warnings
    from caloforge.showers import ShowerWriter, open_showers

    with plain_warnings(), open_showers(file, detector, format, gev) as source:
        start, stop = parse_rows(rows, len(source))
        squeeze = None if compression == "none" else compression
        repacks = to == source.format.name and gev == "none" and (start, stop) == (0, len(source))
        with ShowerWriter(out, source.detector, source.attributes, squeeze, to) as writer:
            for part in source.chunks(start=start, stop=stop):
                writer.append(part)
            if repacks:
                writer.copy(source, source.other_datasets)
    if source.other_datasets and not repacks:
        left = ", ".join(source.other_datasets)
        typer.echo(f"warning: {left} of {file} has not one row per shower and was left out.", err=True)
    typer.echo(f"{out}: {stop - start} showers of {source.detector.name} in the {to} format")


def parse_rows(text: str | None, n_rows: int) -> tuple[int, int]:
    """START and STOP of 'START:STOP' (either may be left out); raises CaloforgeError unless they select rows."""
    first, colon, last = (text or ":").partition(":")
    try:
        start, stop = int(first or 0), int(last or n_rows)
    except ValueError:
        start, stop = 0, -1
    if not colon or not 0 <= start < stop <= n_rows:
        raise CaloforgeError(
            f"--rows is '{text}', but START:STOP with 0 <= START < STOP <= {n_rows} is expected, e.g. 0:{n_rows}."
        )
    return start, stop
