"""What the page is made of, once: sections of texts, tables, figures, cards, folded parts and the view of showers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from caloforge.evaluation.page.figure import Figure
from caloforge.evaluation.page.tables import Table


@dataclass(frozen=True)
class Card:
    """A number that speaks for much: label, value, what stands below (its floor), good, fair, bad or nothing, and where
    value and floor lie between the ends 0 and 1 of a scale.
    """

    label: str
    value: str
    below: str
    look: str = ""
    gauge: tuple[float, float | None] | None = None


@dataclass(frozen=True)
class Cards:
    """Cards side by side."""

    cards: Sequence[Card]


@dataclass(frozen=True)
class Folded:
    """Blocks behind a title, to be opened."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Notes:
    """A list of remarks."""

    texts: Sequence[str]


@dataclass(frozen=True)
class View:
    """Whole showers that can be turned: what the script needs, as plain data."""

    data: dict[str, Any]


Block: TypeAlias = "str | Table | Figure | Cards | Folded | Notes | View"


@dataclass(frozen=True)
class Section:
    """A heading with its blocks; key: its place in the page's address."""

    key: str
    title: str
    blocks: Sequence[Block]


def figures(blocks: Sequence[Block]) -> list[Figure]:
    """All figures among blocks, the folded ones too."""
    found: list[Figure] = []
    for block in blocks:
        if isinstance(block, Figure):
            found.append(block)
        elif isinstance(block, Folded):
            found += figures(block.blocks)
    return found
