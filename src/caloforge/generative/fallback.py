"""Say once that a slower way is taken."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Literal


class SlowPathWarning(UserWarning):
    """A kernel lacks a precision or a device, and plain torch is used."""


@cache
def say_once(message: str) -> Literal[False]:
    """Warn with this message the first time it comes up; always False."""
    warnings.warn(message, SlowPathWarning, stacklevel=3)
    return False
