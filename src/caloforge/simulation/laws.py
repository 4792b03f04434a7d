"""Laws by which angles and positions of incidence are drawn, as they are written on the command line."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError

_UNITS = {"deg": math.pi / 180, "rad": 1.0, "mrad": 1e-3, "mm": 1.0, "cm": 10.0}
_KINDS = {"uniform": 2, "gauss": 1, "fixed": 1}


@dataclass(frozen=True)
class Law:
    """A law of a number in rad or mm: "fixed" (value), "uniform" (lower, upper end) or "gauss" (width, about zero)."""

    kind: str
    numbers: tuple[float, ...]

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """n independent draws, (n,)."""
        if self.kind == "fixed":
            return np.full(n, self.numbers[0])
        if self.kind == "uniform":
            low, high = self.numbers
            return low + (high - low) * rng.random(n)
        return self.numbers[0] * rng.standard_normal(n)

    @property
    def largest(self) -> float:
        """Largest magnitude that is to be expected (five widths of a Gaussian), in rad or mm."""
        return 5 * self.numbers[0] if self.kind == "gauss" else max(map(abs, self.numbers))

    @property
    def is_zero(self) -> bool:
        """Whether every draw is zero."""
        return not any(self.numbers)


def parse_law(text: str, option: str, units: tuple[str, ...]) -> Law:
    """The law of "30deg", "uniform:0:30deg" or "gauss:2mm"; `option` names it in errors, `units` are those allowed.

    Raises CaloforgeError for anything else.
    """
    hint = f"{option} {text}: expected a number with its unit ({' or '.join(units)}), uniform:LOW:HIGH or gauss:WIDTH"
    match = re.fullmatch(r"\s*(?:(\w+):)?([0-9.eE+\-:]+?)\s*([a-z]+)\s*", text)
    if match is None or match[3] not in units or (match[1] or "fixed") not in _KINDS:
        raise CaloforgeError(f"{hint}.")
    kind = match[1] or "fixed"
    try:
        numbers = tuple(float(number) * _UNITS[match[3]] for number in match[2].split(":"))
    except ValueError as error:
        raise CaloforgeError(f"{hint}.") from error
    if len(numbers) != _KINDS[kind] or not all(map(math.isfinite, numbers)):
        raise CaloforgeError(f"{hint}.")
    if (kind == "uniform" and numbers[0] > numbers[1]) or (kind == "gauss" and numbers[0] < 0):
        raise CaloforgeError(f"{hint}; a range is its lower and its upper end, a width is not negative.")
    return Law(kind, numbers)
