"""A figure of the page: drawings side by side, which also make one PDF file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from caloforge.evaluation.page.drawing import Drawing
from caloforge.evaluation.page.fonts import text_width
from caloforge.evaluation.page.pdf import pdf
from caloforge.evaluation.page.svg import svg

ROW = 535.0


@dataclass(frozen=True)
class Figure:
    """Drawings under one title; key: name of the PDF file; caption: what is to be seen; legend: (colour, name)."""

    key: str
    title: str
    caption: str
    drawings: Sequence[Drawing]
    legend: Sequence[tuple[str, str]] = ()
    wide: bool = False

    def html(self) -> str:
        """As HTML."""
        keys = "".join(f'<span><i class="k-{colour}"></i>{escape(name)}</span>' for colour, name in self.legend)
        legend = f'<p class="legend">{keys}</p>' if keys else ""
        inside = "".join(svg(drawing, self.wide) for drawing in self.drawings)
        kind = "sheet wide" if self.wide else "sheet"
        caption = (
            f'<figcaption>{escape(self.caption)} <a class="pdf" href="figures/{self.key}.pdf">PDF</a></figcaption>'
        )
        return f'<figure id="fig-{self.key}">{legend}<div class="{kind}">{inside}</div>{caption}</figure>'

    def pdf(self) -> bytes:
        """As a PDF file, the legend above the drawings."""
        n = len(self.drawings)
        columns = 1 if self.wide or n == 1 else 2 if n in (2, 4) else 3
        return pdf(self.drawings, self.title, columns, _heading(self.legend) if self.legend else None)


def _heading(legend: Sequence[tuple[str, str]]) -> Drawing:
    """The legend as a drawing, in lines no longer than the page."""
    found = Drawing(ROW, 0, "Legend")
    x, y = 0.0, 0.0
    for colour, name in legend:
        width = 30 + text_width(name, 9)
        if x and x + width > ROW:
            x, y = 0.0, y + 14
        found.box(x, y + 3, 12, 6, colour)
        found.text(x + 16, y + 9, name, 9, "start", "ink")
        x += width
    found.height = y + 18
    return found
