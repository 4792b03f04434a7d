"""The features of a whole sample, gathered part by part, in memory that does not grow with the showers."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from caloforge.observables.features import Features
from caloforge.observables.spill import scratch


class FeatureTable:
    """Room for the features of n showers, filled part by part; large tables lie in a file, not in memory.

    like: features with the same layers and observables, of any number of showers.
    """

    def __init__(self, n: int, like: Features) -> None:
        self._like = like
        self._arrays = [field.name for field in fields(like) if isinstance(getattr(like, field.name), np.ndarray)]
        shapes = [getattr(like, name).shape for name in self._arrays]
        widths = [shape[1] if len(shape) == 2 else 1 for shape in shapes]
        ends = np.cumsum([*widths, len(like.profile)])
        self._places = [slice(int(end - width), int(end)) for end, width in zip(ends, widths, strict=False)]
        self._columns = scratch((int(ends[-1]), n), np.float64)

    def put(self, start: int, part: Features) -> None:
        """Features of the showers from row `start` on."""
        rows = slice(start, start + len(part))
        for name, place in zip(self._arrays, self._places, strict=True):
            values = getattr(part, name)
            self._columns[place, rows] = values.T if values.ndim == 2 else values
        for column, values in enumerate(part.profile.values(), self._places[-1].stop):
            self._columns[column, rows] = values

    def features(self) -> Features:
        """All of them, as views of the table."""
        parts = {field.name: getattr(self._like, field.name) for field in fields(self._like)}
        for name, place in zip(self._arrays, self._places, strict=True):
            block = self._columns[place]
            parts[name] = block.T if parts[name].ndim == 2 else block[0]
        names = enumerate(self._like.profile, self._places[-1].stop)
        parts["profile"] = {name: self._columns[column] for column, name in names}
        return Features(**parts)
