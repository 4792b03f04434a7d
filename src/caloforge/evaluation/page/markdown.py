"""The page as Markdown: the same texts and tables, figures as links to their PDF files."""

from __future__ import annotations

from collections.abc import Sequence

from caloforge.evaluation.page.figure import Figure
from caloforge.evaluation.page.section import Block, Cards, Folded, Notes, Section, View
from caloforge.evaluation.page.tables import Table, plain


def markdown(title: str, sub: str, parts: Sequence[Section]) -> str:
    """The whole report."""
    lines = [f"# {plain(title)}", "", plain(sub), ""]
    for section in parts:
        if any(isinstance(block, View) for block in section.blocks):
            continue
        body = _blocks(section.blocks)
        if body:
            lines += [f"## {plain(section.title)}", "", *body]
    return "\n".join(lines).rstrip() + "\n"


def _blocks(blocks: Sequence[Block]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, str):
            lines += [plain(block), ""]
        elif isinstance(block, Table):
            lines += [block.markdown(), ""]
        elif isinstance(block, Figure):
            lines += [f"[{plain(block.title)}](figures/{block.key}.pdf): {plain(block.caption)}", ""]
        elif isinstance(block, Cards):
            lines += [*(f"- {plain(c.label)}: **{plain(c.value)}** ({plain(c.below)})" for c in block.cards), ""]
        elif isinstance(block, Notes):
            lines += [*(f"- {plain(text)}" for text in block.texts), ""]
        elif isinstance(block, Folded):
            lines += _blocks(block.blocks)
    return lines
