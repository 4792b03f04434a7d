"""Encoding of positions in three dimensions by sines and cosines, periodic where an axis closes on itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def encode_positions(
    positions: Sequence[Sequence[float]], periodic: Sequence[bool], frequencies: int, highest: float = 32.0
) -> Tensor:
    """Features (T, 3 x 2 x frequencies) of positions (T, 3).

    An axis that is periodic, in units of its period, gets the whole numbers 1 .. frequencies as frequencies, so that
    0 and 1 are the same place; one from 0 to 1 gets frequencies from half a turn to `highest` turns, evenly spaced in
    their logarithm (after Vaswani et al., arXiv:1706.03762).
    """
    places = torch.tensor([list(place) for place in positions], dtype=torch.float64).reshape(-1, len(periodic))
    parts = []
    for axis, closes in enumerate(periodic):
        if closes:
            turns = torch.arange(1, frequencies + 1, dtype=torch.float64)
        else:
            turns = torch.logspace(math.log10(0.5), math.log10(highest), frequencies, dtype=torch.float64)
        angle = 2 * math.pi * places[:, axis : axis + 1] * turns
        parts += [torch.sin(angle), torch.cos(angle)]
    return torch.cat(parts, -1).float()


def encode_time(t: Tensor, frequencies: Tensor) -> Tensor:
    """Features (N, 2F) of times t (N,) in [0, 1] for frequencies (F,) in radians."""
    angle = t[:, None] * frequencies
    return torch.cat([torch.cos(angle), torch.sin(angle)], -1)


def time_frequencies(number: int, highest: float = 1000.0) -> Tensor:
    """Frequencies (number,) in radians from 1 to `highest`, evenly spaced in their logarithm."""
    return torch.logspace(0, math.log10(highest), number, dtype=torch.float64).float()
