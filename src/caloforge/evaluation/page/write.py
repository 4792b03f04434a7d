"""Writes the report of a judgement: one page, the same as Markdown, every figure as PDF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caloforge.evaluation.arrays import Arrays
from caloforge.evaluation.page.html import html
from caloforge.evaluation.page.markdown import markdown
from caloforge.evaluation.page.section import Section, figures
from caloforge.evaluation.page.sections import sections
from caloforge.files import replaced, write_text


def write_page(results: Mapping[str, Any], arrays: Arrays, folder: Path | str) -> None:
    """Write report.html (needs no other file), report.md and figures/*.pdf into a folder.

    results: of schema 2, as `evaluate` gives them; what they and `arrays` lack is left out. Equal input gives equal
    bytes. Raises CaloforgeError where the folder cannot be written.
    """
    write_sections(
        f"{results.get('name', 'generated')} against Geant4", _sub(results), sections(results, arrays), folder
    )


def write_sections(title: str, sub: str, parts: Sequence[Section], folder: Path | str, name: str = "report") -> None:
    """Write sections as NAME.html, NAME.md and figures/*.pdf into a folder; figures of an earlier NAME.md are removed.

    Raises CaloforgeError where it cannot be written.
    """
    folder = Path(folder)
    shown = figures([block for section in parts for block in section.blocks])
    for old in _figures_of(folder / f"{name}.md") - {figure.key for figure in shown}:
        (folder / "figures" / f"{old}.pdf").unlink(missing_ok=True)
    for figure in shown:
        with replaced(folder / "figures" / f"{figure.key}.pdf") as beside:
            beside.write_bytes(figure.pdf())
    write_text(folder / f"{name}.md", markdown(title, sub, parts))
    write_text(folder / f"{name}.html", html(title, sub, parts))


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
