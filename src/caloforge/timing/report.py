"""What a finished benchmark leaves for people: table.md, figures, and the lines for the terminal."""

from __future__ import annotations

from caloforge.files import write_text
from caloforge.timing import table
from caloforge.timing.machine import line
from caloforge.timing.plots import write_plots
from caloforge.timing.results import Results

PAGE = "table.md"


def write_report(results: Results) -> list[str]:
    """Write table.md and the figures; gives the lines for the terminal."""
    write_text(results.folder / PAGE, table.page(results))
    write_plots(results)
    return [
        line(results.document["machine"]),
        "",
        *table.aligned(table.times(results)),
        "",
        *table.aligned(table.facts(results)),
        *(f"left out: {text}" for text in table.left_out(results)),
        "",
        f"{results.folder / PAGE}, figures and benchmark.json beside it",
    ]
