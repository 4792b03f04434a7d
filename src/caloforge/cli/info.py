"""`caloforge info`: what a shower file holds, and whether it can be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caloforge.cli.arguments import UnsaidDetector

if TYPE_CHECKING:
    from caloforge.showers import ShowerFile


def info(
    file: Annotated[Path, typer.Argument(help="Shower file (HDF5).")],
    detector: UnsaidDetector = None,
    format: Annotated[str | None, typer.Option(help="calochallenge, calogan, par04 or getting-high.")] = None,
    rows: Annotated[int, typer.Option(help="Showers to look at; 0 for all.", min=0)] = 10_000,
) -> None:
    """Say what a shower file holds, and check its numbers."""
    from caloforge.cli.warn import plain_warnings
    from caloforge.showers import open_showers

    with plain_warnings(), open_showers(file, detector, format) as showers:
        for line in describe(showers, rows or len(showers)):
            typer.echo(line)


def describe(showers: ShowerFile, rows: int) -> list[str]:
    """Lines about a shower file, with averages over its first `rows` showers, read by streaming."""
    import numpy as np

    known, n = showers.detector, min(rows, len(showers))
    layers, lowest, highest, hits = np.zeros(known.n_layers), np.inf, 0.0, 0
    ratios = []
    for part in showers.chunks(stop=n):
        layers += np.add.reduceat(part.deposits_mev.sum(axis=0, dtype=np.float64), known.offsets[:-1])
        lowest = min(lowest, float(part.incident_energy_mev.min()))
        highest = max(highest, float(part.incident_energy_mev.max()))
        hits += int(np.count_nonzero(part.deposits_mev >= max(known.threshold_mev, np.finfo(np.float32).tiny)))
        ratios.append(part.deposits_mev.sum(axis=1, dtype=np.float64) / part.incident_energy_mev)
    names = [
        f"{name} (condition)" if name.startswith(("conditions/", "incident_")) else name
        for name in showers.other_columns
    ]
    shares = np.concatenate(ratios)
    fractions = layers / max(layers.sum(), np.finfo(float).tiny)
    shown = [f"{layer.name}: {100 * f:.2f} %" for layer, f in zip(known.layers, fractions, strict=True)]
    facts = {
        "file": f"{showers.path} ({showers.path.stat().st_size / 1e6:.1f} MB), {showers.format.name} format",
        "showers": f"{len(showers)}, stored {showers.block_rows} at a time",
        "detector": f"{known.name}: {known.n_layers} layers, {known.n_voxels} voxels, "
        f"threshold {known.threshold_mev:.4g} MeV, fingerprint {known.fingerprint()}",
        "looked at": f"{n} showers: all deposits finite and not negative",
        "incident energy": f"{lowest:.6g} to {highest:.6g} MeV",
        "deposited/incident": f"{np.mean(shares):.4f} +- {np.std(shares):.4f}",
        "voxels hit": f"{hits / n:.1f} per shower ({100 * hits / n / known.n_voxels:.1f} %)",
        "energy by layer": ", ".join(shown),
        "also per shower": ", ".join(names) or "nothing",
    }
    if showers.other_datasets:
        facts["not per shower"] = ", ".join(showers.other_datasets)
    facts |= {f"attribute {name}": str(value) for name, value in showers.attributes.items()}
    width = max(map(len, facts))
    return [f"{name:<{width}}  {value}" for name, value in facts.items()]
