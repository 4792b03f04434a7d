"""The page as one HTML file that needs no other: style and script inside, nothing asked of the network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from caloforge.evaluation.page.figure import Figure
from caloforge.evaluation.page.palette import LIGHT, variables
from caloforge.evaluation.page.section import Block, Card, Cards, Folded, Notes, Section, View
from caloforge.evaluation.page.tables import Table

ROOM = "caloforge.evaluation.page"


def asset(name: str) -> str:
    """The text of a style sheet or script beside this file."""
    return (files(ROOM) / name).read_text(encoding="utf-8")


def html(title: str, sub: str, parts: Sequence[Section]) -> str:
    """The whole page."""
    links = "".join(f'<a href="#{section.key}">{escape(section.title)}</a>' for section in parts)
    body = "\n".join(_section(section, index == 0) for index, section in enumerate(parts))
    keys = "".join(f".k-{name}{{background:var(--{name})}}" for name in LIGHT)
    turns = any(isinstance(block, View) for section in parts for block in section.blocks)
    scripts = asset("page.js") + (asset("turn.js") if turns else "")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:\">"
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
        f"<style>{variables()}{keys}{asset('page.css')}</style></head>\n"
        f'<body><a class="skip" href="#{parts[0].key}">Skip to the contents</a><header><div><h1>{escape(title)}</h1>'
        f'<p class="sub">{escape(sub)}</p></div><button type="button" id="theme" hidden>Dark</button></header>'
        f'<nav aria-label="Sections">{links}</nav>\n<main>\n{body}\n</main>\n<script>{scripts}</script></body></html>\n'
    )


def _section(section: Section, first: bool) -> str:
    inside = "\n".join(_block(block, first and index == 0) for index, block in enumerate(section.blocks))
    return (
        f'<section id="{section.key}" aria-labelledby="h-{section.key}">'
        f'<h2 id="h-{section.key}">{escape(section.title)}</h2>\n'
        f"{inside}</section>"
    )


def _block(block: Block, lead: bool = False) -> str:
    if isinstance(block, str):
        return f'<p class="{"verdict" if lead else "said"}">{escape(block)}</p>'
    if isinstance(block, (Table, Figure)):
        return block.html()
    if isinstance(block, Cards):
        return f'<ul class="cards">{"".join(_card(card) for card in block.cards)}</ul>'
    if isinstance(block, Notes):
        return f'<ul class="notes">{"".join(f"<li>{escape(text)}</li>" for text in block.texts)}</ul>'
    if isinstance(block, Folded):
        inside = "".join(_block(one) for one in block.blocks)
        return f"<details><summary>{escape(block.title)}</summary>{inside}</details>"
    data = json.dumps(block.data, separators=(",", ":")).replace("<", "\\u003c")
    without = "<noscript>Showers turn where scripts are allowed.</noscript>"
    return f'<div id="turn">{without}</div><script type="application/json" id="turn-data">{data}</script>'


def _card(card: Card) -> str:
    gauge = ""
    if card.gauge is not None:
        value, floor = card.gauge
        mark = "" if floor is None else f'<i class="at" style="left:{100 * _clipped(floor):.1f}%"></i>'
        gauge = (
            f'<span class="gauge" aria-hidden="true"><b style="width:{100 * _clipped(value):.1f}%"></b>{mark}</span>'
        )
    look = f' class="{card.look}"' if card.look else ""
    return (
        f"<li{look}><span class=label>{escape(card.label)}</span><strong>{escape(card.value)}</strong>{gauge}"
        f"<span class=below>{escape(card.below)}</span></li>"
    )


def _clipped(part: float) -> float:
    return min(max(part, 0.0), 1.0)
