"""The shape of a result file, as far as tables and pages read it: a damaged one is named before it is used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_WORDS = {str: "a text", float: "a number", dict: "an object", list: "a list"}
_REQUIRED: Mapping[str, type] = {
    "protocol": dict, "protocol.name": str, "protocol.version": float, "seed": float,
    "detector": dict, "detector.name": str, "detector.fingerprint": str, "showers": dict, "showers.reference": float,
    "name": str, "others": dict, "caloforge": str,
}  # fmt: skip
_NUMBERS = {
    "separation_power": ("value",), "classifiers": ("auc",), "fpd": ("value",), "kpd": ("value",), "prdc": (),
    "correlations": (), "memorisation": (), "weights": (),
}  # fmt: skip
"""Parts of a sample and the numbers that they need; the first two hold an object by name."""
_BY_NAME = ("separation_power", "classifiers")
_OPTIONAL = ("error", "floor", "floor_spread", "floor_error", "auc_error", "jsd", "jsd_error", "floor_jsd", "n")


def fault(results: Mapping[str, Any]) -> str | None:
    """What is wrong first with the shape of a result file's data, as the end of a sentence; None where nothing is."""
    for path, kind in _REQUIRED.items():
        place: Any = results
        for key in path.split("."):
            if key not in place:
                return f"lacks '{path}'"
            place = place[key]
        if not _is(place, kind):
            return f"has {_said(place)} as '{path}', expected {_WORDS[kind]}"
    notes, times = results.get("notes") or [], results.get("seconds_per_shower") or {}
    if not isinstance(notes, list):
        return f"has {_said(notes)} as 'notes', expected a list"
    if not isinstance(times, dict) or not all(_is(value, float) for value in times.values()):
        return f"has {_said(times)} as 'seconds_per_shower', expected numbers by name"
    for name, sample in {"": results, **results["others"]}.items():
        if not isinstance(sample, dict):
            return f"has {_said(sample)} as 'others.{name}', expected an object"
        found = _fault_of_sample(f"others.{name}." if name else "", sample)
        if found is not None:
            return found
    return None


def _fault_of_sample(before: str, sample: Mapping[str, Any]) -> str | None:
    for part, needed in _NUMBERS.items():
        found = sample.get(part)
        if found is None:
            continue
        if not isinstance(found, dict):
            return f"has {_said(found)} as '{before}{part}', expected an object"
        for name, one in found.items() if part in _BY_NAME else [("", found)]:
            path = f"{before}{part}.{name}".rstrip(".")
            if not isinstance(one, dict):
                return f"has {_said(one)} as '{path}', expected an object"
            for key in needed:
                if not _is(one.get(key), float):
                    return f"has {_said(one.get(key))} as '{path}.{key}', expected a number"
            for key in _OPTIONAL if needed else ():
                if one.get(key) is not None and not _is(one[key], float):
                    return f"has {_said(one[key])} as '{path}.{key}', expected a number or null"
    return None


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind)


def _said(value: Any) -> str:
    text = repr(value)
    return "nothing" if value is None else text if len(text) < 30 else f"{text[:27]}..."
