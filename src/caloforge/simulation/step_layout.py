"""Where Geant4 keeps a step's numbers in memory, learnt from steps that the bindings read side by side."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int64]

_STEP_WORDS, _POINT_WORDS = 20, 36
_INSTANCE_WORDS, _VALUE, _FLAGS, _SIMPLE = 7, 2, 6, 2


def words(address: int, n: int) -> Words:
    """The n 64-bit words at an address, as a view."""
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_int64)), (n,))


def address_of(bound: Any) -> int:
    """Address of the C++ object inside a pybind11 object, which holds it directly or through an array of values."""
    head = words(id(bound), _INSTANCE_WORDS)
    return int(head[_VALUE]) if head[_FLAGS] & _SIMPLE else int(words(int(head[_VALUE]), 1)[0])


class StepLayout:
    """Offsets, in words, of what a stepping action reads; what does not agree with every step seen is ruled out."""

    NAMES = ("deposit", "pre", "post", "x", "y", "z", "mark")

    def __init__(self) -> None:
        self.candidates: dict[str, set[int]] = {}
        self.steps = self.with_deposit = self.marked = 0

    def see(self, step: Any, marked: Any) -> None:
        """Learn from one step of the bindings; marked: the sensitive detector of its volume, or None."""
        pre, post = step.GetPreStepPoint(), step.GetPostStepPoint()
        in_step, in_point = words(address_of(step), _STEP_WORDS), words(address_of(pre), _POINT_WORDS)
        position, deposit = pre.GetPosition(), step.GetTotalEnergyDeposit()
        mark = 0 if marked is None else address_of(marked)
        found = {
            "deposit": in_step.view(np.float64) == deposit,
            "pre": in_step == address_of(pre),
            "post": in_step == address_of(post),
            "x": in_point.view(np.float64) == position.x,
            "y": in_point.view(np.float64) == position.y,
            "z": in_point.view(np.float64) == position.z,
            "mark": in_point == mark,
        }
        for name, where in found.items():
            here = set(np.flatnonzero(where).tolist())
            self.candidates[name] = self.candidates.get(name, here) & here
        self.steps += 1
        self.with_deposit += deposit > 0
        self.marked += marked is not None

    def offsets(self) -> dict[str, int] | None:
        """Offsets by name, or None where the steps seen do not settle every one of them."""
        if not (self.with_deposit > 10 and 10 < self.marked < self.steps):
            return None
        if any(len(self.candidates[name]) != 1 for name in self.NAMES):
            return None
        found = {name: next(iter(self.candidates[name])) for name in self.NAMES}
        return found if found["y"] == found["x"] + 1 and found["z"] == found["x"] + 2 else None
