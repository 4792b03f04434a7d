"""A table once, as HTML that sorts and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TypeAlias


@dataclass(frozen=True)
class Cell:
    """A text, the number to sort it by (its own letters where there is none), and good, fair, bad or nothing."""

    text: str
    value: float | None = None
    look: str = ""


Row: TypeAlias = Sequence[Cell | str]
MISSING = Cell("–", -math.inf)
"""A value that is not there, sorted below all others."""


@dataclass(frozen=True)
class Table:
    """A caption, the heads of the columns and the rows; `strong` is the number of the row to stress."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Row]
    strong: int | None = None

    def html(self) -> str:
        """As HTML; a button in each head sorts."""
        short = [text.replace(" ", "\u00a0") if len(text) < 14 else text for text in self.head]
        head = "".join(f'<th scope="col"><button type="button">{escape(text)}</button></th>' for text in short)
        body = []
        for index, row in enumerate(self.rows):
            cells = "".join(_html(cell, number == 0) for number, cell in enumerate(row))
            body.append(f"<tr{' class=strong' if index == self.strong else ''}>{cells}</tr>")
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(self.caption, quote=True)}">'
            f'<table class="sorts"><caption>{escape(self.caption)}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>"
        )

    def markdown(self) -> str:
        """As Markdown, the caption as a line before it."""
        lines = [f"{plain(self.caption)}:", "", _markdown(self.head), "|" + "---|" * len(self.head)]
        lines += [_markdown([cell if isinstance(cell, str) else cell.text for cell in row]) for row in self.rows]
        return "\n".join(lines)


def measured(value: float | None, error: float | None = None, digits: int = 3, look: str = "") -> Cell:
    """A cell with a value and its error, or a dash."""
    if value is None or not math.isfinite(value):
        return replace(MISSING, look=look)
    text = f"{value:.{digits}f}" if abs(value) < 1e5 else f"{value:.3g}"
    text = text.removeprefix("-") if not text.strip("-0.") else text
    if error is not None and math.isfinite(error):
        text += f" ± {error:.{digits}f}" if abs(value) < 1e5 else f" ± {error:.2g}"
    return Cell(text, value, look)


def digits(value: float | None) -> Cell:
    """A cell with three significant digits, or a dash."""
    return MISSING if value is None else Cell(f"{value:.3g}", float(value))


def _html(cell: Cell | str, first: bool) -> str:
    one = Cell(cell) if isinstance(cell, str) else cell
    value = "" if one.value is None else f' data-v="{one.value:.9g}"'
    look = f' class="{one.look}"' if one.look else ""
    tag = "th scope=row" if first else "td"
    return f"<{tag}{look}{value}>{escape(one.text)}</{'th' if first else 'td'}>"


def plain(text: str) -> str:
    """A text with Markdown's signs made harmless, on one line."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain(cell) for cell in cells) + " |"
