"""The processor of this machine, as the system tells it."""

from __future__ import annotations

import platform
from pathlib import Path


def information() -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor, by its names; empty where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (row.partition(":") for row in text.strip().partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def name() -> str:
    """The processor's name, or at least its kind."""
    return information().get("model name") or platform.processor() or platform.machine()
