"""The stepping action as machine code: copies the deposit and the place of each step that is read out."""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

VTABLE, MANAGER, COUNT, CAPACITY, BUFFER, FLUSH, STEPS = range(7)
"""Words of the action object: what C++ expects first (two words), then the hits' number, room, place and outlet."""
DEPOSIT, PRE, POST, POSITION, MARK = range(7, 12)
"""Words that hold where in a step and in a step point Geant4 keeps what is read here, in words of 8 bytes."""
WORDS = 16
SHARE = 12
"""The word, a double, that says how far along the step the hit lies."""

_STEP_WORDS, _POINT_WORDS = 24, 40


@intrinsic
def _words(typingctx: Any, address: Any) -> Any:
    """The address as a pointer to 64-bit words."""
    signature = types.CPointer(types.intp)(types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return signature, generate


@intrinsic
def _call(typingctx: Any, address: Any) -> Any:
    """Call the function at the address, which takes and returns nothing."""
    signature = types.void(types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function = ir.FunctionType(ir.VoidType(), [])
        builder.call(builder.inttoptr(args[0], function.as_pointer()), [])
        return context.get_dummy_value()

    return signature, generate


def _act(this: Any, step: Any) -> None:
    """`G4UserSteppingAction::UserSteppingAction(const G4Step*)`."""
    own = numba.carray(this, (WORDS,))
    own[STEPS] += 1
    step_words = numba.carray(step, (_STEP_WORDS,))
    deposit = step_words.view(np.float64)[own[DEPOSIT]]
    if deposit <= 0:
        return
    pre_words = numba.carray(_words(step_words[own[PRE]]), (_POINT_WORDS,))
    if pre_words[own[MARK]] == 0:
        return
    place = own[POSITION]
    pre = pre_words.view(np.float64)
    post = numba.carray(_words(step_words[own[POST]]), (_POINT_WORDS,)).view(np.float64)
    if own[COUNT] == own[CAPACITY]:
        _call(own[FLUSH])
        own[COUNT] = 0
    at = own[COUNT] * 4
    share = own.view(np.float64)[SHARE]
    hits = numba.carray(_words(own[BUFFER]), (own[CAPACITY] * 4,)).view(np.float64)
    for i in range(3):
        hits[at + i] = pre[place + i] + share * (post[place + i] - pre[place + i])
    hits[at + 3] = deposit
    own[COUNT] += 1


@functools.cache
def stepping_action() -> Any:
    """The compiled function; its `address` is what a table of virtual functions can hold."""
    pointer = types.CPointer(types.intp)
    return numba.cfunc(types.void(pointer, pointer), cache=True)(_act)
