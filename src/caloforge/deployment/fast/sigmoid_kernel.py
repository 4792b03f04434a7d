"""The sigmoid of a line of numbers, several vectors of it under way at once.

One after the other, its thirty steps of a vector wait for each other; the compiler leaves it at that for so long a
loop. Written as code of vectors (LLVM) in which every step is done for each vector before the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from caloforge.deployment.fast.product_kernel import LANES, WIDTH

LOG2E, LN2_HIGH, LN2_LOW = 1.44269504, 0.693359375, -2.12194440e-4
LOWEST, HIGHEST = -87.0, 88.0
ROUNDING = 12582912.0
"""1.5 * 2^23: a number of moderate size added to it is rounded to a whole one, which its lowest bits then hold."""

POWERS = 0.00138146, 0.00836872, 0.04166839, 0.16666521, 0.49999993
"""exp(t) = 1 + t + t^2 (POWERS, highest first) for |t| <= log(2) / 2, to 3e-9; a least-squares fit, made minimax."""

_FLOAT, _INT = ir.FloatType(), ir.IntType(64)
_VECTOR, _WORDS = ir.VectorType(_FLOAT, LANES), ir.VectorType(ir.IntType(32), LANES)
_AT_ONCE = 4


def _sigmoids(builder: Any, x: list[Any]) -> list[Any]:
    """1 / (1 + exp(-x)) of every vector."""

    def each(step: Callable[..., Any], *operands: Any) -> list[Any]:
        columns = [operand if isinstance(operand, list) else [operand] * len(x) for operand in operands]
        return [step(*row) for row in zip(*columns, strict=True)]

    def number(value: float) -> Any:
        return ir.Constant(_VECTOR, [value] * LANES)

    def times(a: Any, b: Any) -> list[Any]:
        return each(lambda u, v: builder.fmul(u, v, flags=("contract",)), a, b)

    def plus(a: Any, b: Any) -> list[Any]:
        return each(lambda u, v: builder.fadd(u, v, flags=("contract",)), a, b)

    def limited(a: list[Any], sign: str, limit: Any) -> list[Any]:
        return each(lambda u: builder.select(builder.fcmp_ordered(sign, u, limit), limit, u), a)

    a = times(x, number(-1.0))
    a = limited(limited(a, "<", number(LOWEST)), ">", number(HIGHEST))
    rounded = plus(times(a, number(LOG2E)), number(ROUNDING))
    whole = plus(rounded, number(-ROUNDING))
    t = plus(times(whole, number(-LN2_LOW)), plus(times(whole, number(-LN2_HIGH)), a))
    p = plus(times(t, number(POWERS[0])), number(POWERS[1]))
    for power in POWERS[2:]:
        p = plus(times(p, t), number(power))
    p = plus(plus(times(times(t, t), p), t), number(1.0))
    bits = each(lambda u: builder.bitcast(u, _WORDS), rounded)
    shift, one = (ir.Constant(_WORDS, [word] * LANES) for word in (23, 127 << 23))
    bits = each(lambda u: builder.add(builder.shl(u, shift), one), bits)
    scale = each(lambda u: builder.bitcast(u, _VECTOR), bits)
    return each(lambda u: builder.fdiv(number(1.0), u), plus(times(p, scale), number(1.0)))


def _line(vectors: int) -> Any:
    """The sigmoid of `rounds` times `vectors` vectors at an address, as a function that kernels can call."""

    @intrinsic
    def line(typingctx: Any, address: Any, rounds: Any) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            begin, rounds = args
            length = ir.Constant(_INT, 4 * LANES * vectors)
            end = builder.add(begin, builder.mul(rounds, length))
            head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
            before = builder.block
            builder.branch(head)
            builder.position_at_end(head)
            at = builder.phi(_INT)
            at.add_incoming(begin, before)
            builder.cbranch(builder.icmp_signed("<", at, end), body, after)
            builder.position_at_end(body)
            places = [builder.add(at, ir.Constant(_INT, 4 * LANES * v)) for v in range(vectors)]
            places = [builder.inttoptr(place, _VECTOR.as_pointer()) for place in places]
            loaded = [builder.load(place, align=4) for place in places]
            for place, value in zip(places, _sigmoids(builder, loaded), strict=True):
                builder.store(value, place, align=4)
            at.add_incoming(builder.add(at, length), builder.block)
            builder.branch(head)
            builder.position_at_end(after)
            return context.get_dummy_value()

        return types.void(types.intp, types.intp), generate

    return line


_four, _two = _line(_AT_ONCE), _line(WIDTH // LANES)


@njit(nogil=True, cache=True, error_model="numpy")
def sigmoid_line(address, count):  # type: ignore[no-untyped-def]
    """The sigmoid, in place, of `count` float32 numbers at an address, to 2e-7 of itself; count a multiple of WIDTH."""
    rounds = count // (_AT_ONCE * LANES)
    _four(address, rounds)
    done = rounds * _AT_ONCE * LANES
    _two(address + 4 * done, (count - done) // WIDTH)
