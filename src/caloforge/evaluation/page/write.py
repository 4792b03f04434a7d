"""Writes the report of a judgement: one page, the same as Markdown, every figure as PDF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from caloforge.evaluation.arrays import Arrays
from caloforge.evaluation.page.html import html
from caloforge.evaluation.page.markdown import markdown
from caloforge.evaluation.page.section import Section, figures
from caloforge.evaluation.page.sections import sections
from caloforge.files import write_together


def write_page(
    results: Mapping[str, Any], arrays: Arrays, folder: Path | str, further: Iterable[tuple[str, bytes]] = ()
) -> None:
    """Write report.html (needs no other file), report.md and figures/*.pdf into a folder, and what is `further` given.

    results: of schema 2, as `evaluate` gives them; what they and `arrays` lack is left out. further: as in
    `write_sections`. Equal input gives equal bytes. Raises CaloforgeError where the folder cannot be written.
    """
    title = f"{results.get('name', 'generated')} against Geant4"
    write_sections(title, _sub(results), sections(results, arrays), folder, further=further)


def write_sections(
    title: str, sub: str, parts: Sequence[Section], folder: Path | str, name: str = "report",
    further: Iterable[tuple[str, bytes]] = (),
) -> None:  # fmt: skip
    """Write sections as NAME.html, NAME.md and figures/*.pdf into a folder; figures of an earlier NAME.md are removed.

    further: more files of the folder with their contents; they are replaced together with the page, after it. Raises
    CaloforgeError where the folder cannot be written.
    """
    folder = Path(folder)
    shown = figures([block for section in parts for block in section.blocks])
    old = _figures_of(folder / f"{name}.md") - {figure.key for figure in shown}
    texts = ((f"{name}.md", markdown), (f"{name}.html", html))
    drawn = ((f"figures/{figure.key}.pdf", figure.pdf()) for figure in shown)
    said = ((file, form(title, sub, parts).encode()) for file, form in texts)
    write_together(folder, chain(drawn, said, further))
    for key in old:
        (folder / "figures" / f"{key}.pdf").unlink(missing_ok=True)


def _figures_of(page: Path) -> set[str]:
    """Keys of the figures that a written page names; none where there is no such page."""
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    return set(re.findall(r"\(figures/([\w-]+)\.pdf\)", text))


def _sub(results: Mapping[str, Any]) -> str:
    protocol, detector = results.get("protocol") or {}, results.get("detector") or {}
    said = [f"Detector {detector.get('name', '?')}"]
    if results.get("particle"):
        said.append(f"particle {results['particle']}")
    said.append(f"protocol {protocol.get('name', '?')} (version {protocol.get('version', '?')})")
    said.append(f"seed {results.get('seed', '?')}")
    said.append("showers: " + ", ".join(f"{name} {n:,}" for name, n in (results.get("showers") or {}).items()))
    return "; ".join(said) + f". Made with caloforge {results.get('caloforge', '?')}."
