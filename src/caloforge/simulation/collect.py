"""Two ways to collect the hits of an event: through the bindings, and by a compiled action that needs no compiler."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from caloforge.simulation import hook_kernel as kernel
from caloforge.simulation.step_layout import address_of, words

Hits = NDArray[np.float64]
Score = Callable[[Hits], None]

_CAPACITY = 1 << 16
_TABLE_WORDS = 6
_SIZE_OF_HEADER = 2
_ACTION = "_ZN20G4UserSteppingAction18UserSteppingActionEPK6G4Step"
_VTABLE = "_ZTV20G4UserSteppingAction"
_REGISTER = "_ZN12G4RunManager13SetUserActionEP20G4UserSteppingAction"


class Collector(Protocol):
    """Hands hits (n, 4) = (x, y, z in mm, deposit in MeV) of the steps that are read out to its `score`."""

    score: Score

    @property
    def steps(self) -> int:
        """Steps seen so far, read out or not."""

    def finish(self) -> None:
        """Hand over what the event has left."""


class PythonCollector:
    """Hits one by one through the bindings; slow (a step costs about half as much again) and always possible.

    score: called with the hits (n, 4). share: how far along its step a hit lies, 0 to 1.
    """

    def __init__(self, score: Score, share: float) -> None:
        self.score, self.share, self.steps = score, share, 0
        self._hits: list[tuple[float, float, float, float]] = []

    def see(self, step: Any) -> None:
        """Collect one step."""
        self.steps += 1
        deposit = step.GetTotalEnergyDeposit()
        if deposit <= 0 or marked(step) is None:
            return
        a, b = step.GetPreStepPoint().GetPosition(), step.GetPostStepPoint().GetPosition()
        share = self.share
        self._hits.append((a.x + share * (b.x - a.x), a.y + share * (b.y - a.y), a.z + share * (b.z - a.z), deposit))
        if len(self._hits) == _CAPACITY:
            self.finish()

    def finish(self) -> None:
        """Hand over what the event has left."""
        if self._hits:
            self.score(np.array(self._hits))
            self._hits.clear()


def marked(step: Any) -> Any:
    """The sensitive detector of the volume in which a step begins, or None."""
    return step.GetPreStepPoint().GetTouchable().GetVolume().GetLogicalVolume().GetSensitiveDetector()


class CompiledCollector:
    """Hits collected by machine code that Geant4 calls as it calls a C++ stepping action.

    An object of two words is laid out by hand: the table of virtual functions is a copy of `G4UserSteppingAction`'s own
    in which the one entry that is that class's empty action is exchanged for the compiled one. Both are found by their
    names in the bindings' library, and where a step keeps its numbers has been learnt (`StepLayout`).

    layout: offsets by name. Raises LookupError where the library does not export what is needed.
    """

    def __init__(self, score: Score, share: float, layout: dict[str, int], library: str) -> None:
        self.score = score
        self._library = ctypes.CDLL(library)
        try:
            table = ctypes.addressof(ctypes.c_char.in_dll(self._library, _VTABLE))
            empty = int(ctypes.cast(getattr(self._library, _ACTION), ctypes.c_void_p).value or 0)
            self._register = getattr(self._library, _REGISTER)
        except (AttributeError, ValueError) as error:
            raise LookupError(f"the library does not export a symbol ({error})") from error
        self._table = words(table, _TABLE_WORDS).copy()
        entries = np.flatnonzero(self._table == empty)
        if len(entries) != 1:
            raise LookupError("the stepping action's table of virtual functions is laid out in another way")
        self._table[entries[0]] = kernel.stepping_action().address
        self._hits = np.zeros((_CAPACITY, 4))
        self._flush = ctypes.CFUNCTYPE(None)(self._hand_over)
        own = np.zeros(kernel.WORDS, dtype=np.int64)
        own[kernel.VTABLE] = self._table.ctypes.data + _SIZE_OF_HEADER * 8
        own[kernel.CAPACITY], own[kernel.BUFFER] = _CAPACITY, self._hits.ctypes.data
        own[kernel.FLUSH] = int(ctypes.cast(self._flush, ctypes.c_void_p).value or 0)
        own[kernel.DEPOSIT], own[kernel.PRE], own[kernel.POST] = layout["deposit"], layout["pre"], layout["post"]
        own[kernel.POSITION], own[kernel.MARK] = layout["x"], layout["mark"]
        own.view(np.float64)[kernel.SHARE] = share
        self._own = own
        self._idle = np.array([table + _SIZE_OF_HEADER * 8, 0], dtype=np.int64)

    def attach(self, run_manager: Any, collecting: bool = True) -> None:
        """Make this the stepping action of the run manager, or Geant4's own empty one."""
        self._register.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self._register.restype = None
        action = self._own if collecting else self._idle
        self._register(address_of(run_manager), action.ctypes.data)

    @property
    def steps(self) -> int:
        """Steps seen so far, read out or not."""
        return int(self._own[kernel.STEPS])

    def _hand_over(self) -> None:
        self.score(self._hits[: self._own[kernel.COUNT]])

    def finish(self) -> None:
        """Hand over what the event has left."""
        if self._own[kernel.COUNT]:
            self._hand_over()
            self._own[kernel.COUNT] = 0
