"""`caloforge convert`: another format, other rows, or the same file in chunks that shuffle and read fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from caloforge.cli.arguments import UnsaidDetector, parse_rows


def convert(
    file: Annotated[Path, typer.Argument(help="Shower file (HDF5).")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
    to: Annotated[str, typer.Option(help="Format to write.")] = "calochallenge",
    format: Annotated[str | None, typer.Option(help="Format to read, where it is not found by itself.")] = None,
    detector: UnsaidDetector = None,
    gev: Annotated[str, typer.Option(help="Energies in GeV: none, incident, deposits or all.")] = "none",
    rows: Annotated[str | None, typer.Option(help="Rows to take, as START:STOP.")] = None,
    compression: Annotated[str, typer.Option(help="gzip, lzf (faster, larger) or none.")] = "gzip",
) -> None:
    """Convert a shower file, or repack it into chunks of whole showers that shuffle and read fast."""
    from caloforge.cli.warn import plain_warnings
    from caloforge.showers import ShowerWriter, open_showers

    with plain_warnings(), open_showers(file, detector, format, gev) as source:
        start, stop = parse_rows(rows, len(source), "--rows", "START:STOP")
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
