"""The playground's numbers as a table of text."""

from __future__ import annotations

import math

from caloforge.playground.comparison import Comparison, Measured


def table(comparison: Comparison) -> str:
    """A row for each coupling: straightness, W2 by number of steps, and the seconds of a training."""
    settings = comparison.settings
    head = ["", "S (0: straight)", *(f"W2, {n} step{'s' if n > 1 else ''}" for n in settings.steps), "training"]
    rows = [head]
    for name, found in comparison.found.items():
        distances = [told(found.wasserstein[n]) for n in settings.steps]
        rows.append([name, told(found.straightness), *distances, f"{found.seconds.mean:.1f} s"])
    rows.append(["data against data", "", *(told(comparison.floor) for _ in settings.steps), ""])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in ([*zip(row, widths, strict=True)] for row in rows)
    ]
    what = f"mean and standard error of {settings.seeds} seeds" if settings.seeds > 1 else "one seed"
    return "\n".join([*lines, f"({what}; W2 by exact assignment of {settings.samples:,} points a side)"])


def told(measured: Measured) -> str:
    """0.123(4): the mean with its error in the last digit; without an error where there is one seed."""
    if math.isnan(measured.error):
        return f"{measured.mean:.3f}"
    return f"{measured.mean:.3f}({round(1000 * measured.error)})"
