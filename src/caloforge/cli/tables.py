"""Tables of the evaluation in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caloforge.evaluation.page.tables import Table

COLOURS = {"good": "green", "fair": "yellow", "bad": "red"}


def show(table: Table) -> None:
    """Print a table; where the output is no terminal it is as wide as it needs to be."""
    import shutil
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(box=box.SIMPLE_HEAD, title=Text(table.caption), title_justify="left", padding=(0, 1))
    for index, head in enumerate(table.head):
        made.add_column(Text(head), justify="left" if index == 0 else "right", overflow="fold")
    for row in table.rows:
        cells = [
            Text(cell) if isinstance(cell, str) else Text(cell.text, style=COLOURS.get(cell.look, "")) for cell in row
        ]
        made.add_row(*cells)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 400
    Console(width=width, highlight=False).print(made)
