"""The innermost product: up to six rows times one panel of packed weights, with all sums in vector registers.

A panel holds the weights of WIDTH outputs, input after input, so that one step loads WIDTH numbers in a row, one number
of each row of x, and does a multiplication and an addition for each pair. The six rows times WIDTH sums stay in
registers until the panel ends. Written as code of vectors (LLVM), which numba compiles for the processor at hand:
a compiler that is to find the registers itself does not.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

ROWS = 6
"""Rows of x at most."""

LANES = 16 if llvmlite.binding.get_host_cpu_features().get("avx512f", False) else 8
"""Numbers in a vector register; where they are narrower, the compiler takes several."""

WIDTH = 2 * LANES
"""Outputs of a panel."""

_CHAINS = 8
"""Sums that must be under way for the arithmetic units to be busy."""

_AHEAD = 1024
"""Bytes by which weights are called into the cache ahead of their use."""

_FLOAT, _INT = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_VECTORS = WIDTH // LANES


@intrinsic
def numbers_at(typingctx: Any, address: Any) -> Any:
    """An address as a pointer to float32 numbers."""
    signature = types.CPointer(types.float32)(types.intp)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(sig.return_type))

    return signature, generate


def _prefetch(builder: Any, address: Any, write: int) -> None:
    """Call the line at an address into the cache, where it will be written for writing."""
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = builder.module.declare_intrinsic(
        "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    )
    builder.call(function, [builder.inttoptr(address, byte), word(write), word(3), word(1)])


@intrinsic
def soon_written(typingctx: Any, address: Any) -> Any:
    """Call the line at an address into the cache, to write to it soon."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _prefetch(builder, args[0], 1)
        return context.get_dummy_value()

    return types.void(types.intp), generate


class _Code:
    """Writes the product of `rows` rows into a function under construction."""

    def __init__(self, builder: Any, rows: int, x: Any, x_stride: Any) -> None:
        self.builder, self.rows = builder, rows
        self.x = [builder.add(x, builder.mul(x_stride, _int(4 * row))) for row in range(rows)]

    def load(self, address: Any, kind: Any) -> Any:
        """The number or vector at an address."""
        value = self.builder.load(self.builder.inttoptr(address, kind.as_pointer()))
        value.align = 4
        return value

    def step(self, sums: list[Any], panel: Any, column: Any, ahead: bool) -> list[Any]:
        """The sums after one more input, whose weights are at `panel` and whose place in a row is `column` bytes."""
        builder = self.builder
        if ahead:
            _prefetch(builder, builder.add(panel, _int(_AHEAD)), 0)
        weights = [self.load(builder.add(panel, _int(4 * LANES * v)), _VECTOR) for v in range(_VECTORS)]
        result = []
        for row in range(self.rows):
            number = self.load(builder.add(self.x[row], column), _FLOAT)
            empty = ir.Constant(_VECTOR, ir.Undefined)
            one = builder.insert_element(empty, number, ir.IntType(32)(0))
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            spread = builder.shuffle_vector(one, empty, everywhere)
            for v in range(_VECTORS):
                product = builder.fmul(spread, weights[v], flags=("contract",))
                result.append(builder.fadd(product, sums[row * _VECTORS + v], flags=("contract",)))
        return result

    def loop(self, times: Any, sums: list[Any], panel: Any, column: Any, unroll: int) -> tuple[list[Any], Any, Any]:
        """`times` rounds of `unroll` steps; several sets of sums take turns where there is more than one."""
        builder, count = self.builder, self.rows * _VECTORS
        head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
        before = builder.block
        builder.branch(head)
        builder.position_at_end(head)
        state = []
        for start in (_int(0), panel, column, *sums):
            node = builder.phi(start.type)
            node.add_incoming(start, before)
            state.append(node)
        builder.cbranch(builder.icmp_signed("<", state[0], times), body, end)
        builder.position_at_end(body)
        now = state[3:]
        for number in range(unroll):
            first = number * count % len(now)
            weights = builder.add(state[1], _int(4 * WIDTH * number))
            place = builder.add(state[2], _int(4 * number))
            now[first : first + count] = self.step(now[first : first + count], weights, place, self.rows < ROWS)
        after = [
            builder.add(state[0], _int(1)),
            builder.add(state[1], _int(4 * WIDTH * unroll)),
            builder.add(state[2], _int(4 * unroll)),
            *now,
        ]
        for node, value in zip(state, after, strict=True):
            node.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(end)
        return state[3:], state[1], state[2]


def _int(number: int) -> Any:
    return ir.Constant(_INT, number)


def _product(rows: int) -> Any:
    """The product of exactly `rows` rows, as a function that kernels can call."""
    count = rows * _VECTORS
    sets = max(1, _CHAINS // count)
    unroll = max(2, sets)

    @intrinsic
    def product(
        typingctx: Any, x: Any, x_stride: Any, panel: Any, depth: Any, bias: Any, out: Any, out_stride: Any
    ) -> Any:
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_stride, panel, depth, bias, out, out_stride = args
            code = _Code(builder, rows, x, x_stride)
            biases = [code.load(builder.add(bias, _int(4 * LANES * v)), _VECTOR) for v in range(_VECTORS)]
            sums = biases * rows + [ir.Constant(_VECTOR, [0.0] * LANES)] * (count * (sets - 1))
            rounds = builder.sdiv(depth, _int(unroll))
            sums, panel, column = code.loop(rounds, sums, panel, _int(0), unroll)
            total = sums[:count]
            for first in range(count, len(sums), count):
                total = [builder.fadd(a, b) for a, b in zip(total, sums[first : first + count], strict=True)]
            total, _, _ = code.loop(builder.srem(depth, _int(unroll)), total, panel, column, 1)
            for row in range(rows):
                line = builder.add(out, builder.mul(out_stride, _int(4 * row)))
                for v in range(_VECTORS):
                    place = builder.add(line, _int(4 * LANES * v))
                    stored = builder.store(total[row * _VECTORS + v], builder.inttoptr(place, _VECTOR.as_pointer()))
                    stored.align = 4
            return context.get_dummy_value()

        return types.void(*[types.intp] * 7), generate

    return product


_one, _two, _three, _four, _five, _six = (_product(rows) for rows in range(1, ROWS + 1))


@njit(nogil=True, cache=True, error_model="numpy")
def product(rows, x, x_stride, panel, depth, bias, out, out_stride):  # type: ignore[no-untyped-def]
    """out[r, j] = bias[j] + sum over k < depth of x[r, k] panel[k, j] for r < rows (1 to ROWS), j < WIDTH.

    x, panel, bias and out are addresses of float32 numbers, the strides numbers from one row to the next.
    """
    if rows == 6:
        _six(x, x_stride, panel, depth, bias, out, out_stride)
    elif rows == 5:
        _five(x, x_stride, panel, depth, bias, out, out_stride)
    elif rows == 4:
        _four(x, x_stride, panel, depth, bias, out, out_stride)
    elif rows == 3:
        _three(x, x_stride, panel, depth, bias, out, out_stride)
    elif rows == 2:
        _two(x, x_stride, panel, depth, bias, out, out_stride)
    else:
        _one(x, x_stride, panel, depth, bias, out, out_stride)
