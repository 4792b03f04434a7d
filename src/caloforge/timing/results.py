"""benchmark.json: what was asked, the machine, and what was found for every runtime; a versioned document."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from caloforge.documents import read_document
from caloforge.files import write_text

SCHEMA = 1
FILE = "benchmark.json"


class Results:
    """The document of one benchmark in its folder; `save` writes it, all or nothing."""

    def __init__(self, folder: Path, document: dict[str, Any]) -> None:
        self.folder, self.document = folder, document

    @classmethod
    def load(cls, folder: Path) -> Results:
        """The document of a folder; raises CaloforgeError where it cannot be read or is of a newer schema."""
        remedy = "give a folder of its own with --out"
        return cls(folder, read_document(folder / FILE, SCHEMA, "result of a benchmark", remedy))

    def save(self) -> None:
        """Write it."""
        write_text(self.folder / FILE, json.dumps(self.document, indent=1) + "\n")

    @property
    def runtimes(self) -> dict[str, dict[str, Any]]:
        """What was found, by the name of the runtime."""
        found: dict[str, dict[str, Any]] = self.document["runtimes"]
        return found

    @property
    def batches(self) -> list[int]:
        """The batch sizes that were asked for."""
        found: list[int] = self.document["settings"]["batches"]
        return found

    def timed(self) -> dict[str, dict[str, Any]]:
        """The runtimes that have a time at one batch size at least, the bound left out."""
        return {name: found for name, found in self.runtimes.items() if found["batches"] and not found["bound"]}

    def bound(self, batch: int) -> float | None:
        """Seconds of the matrix products alone for a batch."""
        for found in self.runtimes.values():
            if found["bound"] and str(batch) in found["batches"]:
                value: float = found["batches"][str(batch)]["median_s"]
                return value
        return None


def summary(samples: list[float], batch: int, bound: float | None) -> dict[str, Any]:
    """Median and the range of the middle 68 % of times in seconds, per shower in microseconds, over the bound."""
    low, high = (float(value) for value in np.quantile(samples, (0.16, 0.84)))
    middle = median(samples)
    return {
        "median_s": middle, "low_s": low, "high_s": high, "samples_s": samples,
        "us_per_shower": 1e6 * middle / batch, "low_us_per_shower": 1e6 * low / batch,
        "high_us_per_shower": 1e6 * high / batch, "over_bound": None if bound is None else middle / bound,
    }  # fmt: skip
