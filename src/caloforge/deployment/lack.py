"""What a runtime lacks of a graph, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Lack(NamedTuple):
    """A node that a runtime cannot run: its operator, its name (place in the model, then operator_number), and which
    version has it, where that is known."""

    operator: str
    node: str
    since: str = ""


def listed(lacking: Sequence[Lack]) -> str:
    """Every node by name, an operator at a time: Gelu (since opset 20): a/Gelu_1, b/Gelu_7; Where: c/Where_9"""
    groups: dict[str, list[str]] = {}
    for one in lacking:
        groups.setdefault(one.operator + (f" ({one.since})" if one.since else ""), []).append(one.node)
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in groups.items())
