"""How far separation powers lie above their floors, and whether chance explains it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from caloforge.evaluation.page.reading import significance

SURE, BEYOND_CHANCE = 3.0, 5.0
CHANCE = 0.005
"""Share of histograms that lie three standard errors above their floor though nothing differs."""


def excess(one: Mapping[str, Any]) -> float:
    """How many standard errors a separation power lies above its floor; at most 1000, so that sums stay finite."""
    return min(significance(one["value"], one.get("error"), one.get("floor"), one.get("floor_spread")), 1000.0)


def above_floor(powers: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """How many separation powers lie more than three standard errors above their floors, and how many have a floor."""
    known = [one for one in powers if one.get("floor") is not None]
    return sum(excess(one) > SURE for one in known), len(known)


def beyond_chance(known: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether more separation powers lie above their floors than chance explains, or one of them far above."""
    if not known:
        return False
    far, _ = above_floor(known.values())
    expected = CHANCE * len(known)
    return far > expected + 3 * math.sqrt(expected) or max(excess(one) for one in known.values()) > BEYOND_CHANCE
