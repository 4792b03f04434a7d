"""Which showers a model has seen, told by its checkpoint and by the files that it generated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DATA, ROWS = "training_data_sha256", "training_rows"
"""Attributes of a generated file."""
_LONGEST = 60_000
"""Characters that an attribute of an HDF5 file may have."""


@dataclass(frozen=True)
class Seen:
    """Rows of a data file that training or selection has read: hash of the file and ranges [first, after the last)."""

    sha256: str
    ranges: tuple[tuple[int, int], ...]

    @staticmethod
    def of_checkpoint(provenance: Mapping[str, Any]) -> Seen | None:
        """From a checkpoint's provenance; None where it does not say."""
        data = provenance.get("data", {})
        if not data.get("sha256"):
            return None
        return Seen(str(data["sha256"]), merged([*data.get("training_rows", ()), *data.get("validation_rows", ())]))

    @staticmethod
    def of_file(attributes: Mapping[str, Any]) -> Seen | None:
        """From the attributes of a generated file; None where they do not say."""
        if DATA not in attributes or ROWS not in attributes:
            return None
        try:
            return Seen(str(attributes[DATA]), merged(json.loads(str(attributes[ROWS]))))
        except (ValueError, TypeError):
            return None

    def attributes(self) -> dict[str, str]:
        """For a generated file; ranges that are too many are joined until they fit, the nearest first."""
        ranges, text = list(self.ranges), json.dumps(self.ranges)
        gap = 1
        while len(text) > _LONGEST:
            ranges = list(merged(ranges, gap))
            text, gap = json.dumps(ranges), 2 * gap
        return {DATA: self.sha256, ROWS: text}

    def among(self, first: int, stop: int) -> int:
        """How many of the rows first to stop (exclusive) were seen."""
        return sum(max(0, min(end, stop) - max(start, first)) for start, end in self.ranges)


def merged(ranges: Iterable[Iterable[int]], gap: int = 0) -> tuple[tuple[int, int], ...]:
    """Ranges [first, after the last) in order, with those joined that overlap or have at most `gap` rows between."""
    found: list[tuple[int, int]] = []
    for first, end in sorted((int(a), int(b)) for a, b in ranges):
        if found and first <= found[-1][1] + gap:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((first, end))
    return tuple(found)
