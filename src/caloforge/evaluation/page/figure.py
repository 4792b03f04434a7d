"""A figure of the page: drawings side by side, which also make one PDF file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from caloforge.evaluation.page.drawing import Drawing
from caloforge.evaluation.page.pdf import pdf
from caloforge.evaluation.page.svg import svg


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
        """As a PDF file; the legend stands above the first drawing."""
        drawings = list(self.drawings)
        if self.legend:
            drawings[0] = _with_legend(drawings[0], self.legend, several=len(drawings) > 1)
        return pdf(drawings, self.title, 1 if self.wide else 2 if len(drawings) < 7 else 3)


def _with_legend(drawing: Drawing, legend: Sequence[tuple[str, str]], several: bool) -> Drawing:
    """The drawing with its legend: below it, or inside where others stand beside it."""
    high = 12.0 * len(legend)
    found = Drawing(drawing.width, drawing.height + (0 if several else high + 4), drawing.name, list(drawing.items))
    top = 34.0 if several else drawing.height
    for index, (colour, name) in enumerate(legend):
        y = top + 12 * index
        x = drawing.width - 14 if several else 14
        found.box(x - 10 if several else x, y - 1, 10, 6, colour)
        found.text(x - 14 if several else x + 14, y + 5, name, 8, "end" if several else "start", "ink")
    return found
