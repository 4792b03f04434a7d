"""What each ATen operator is in ONNX, in forms that opsets 13 to 17 have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from caloforge.deployment.onnx_graph import DYNAMIC, TYPES, Batch, Builder, Ref, Value, handles

FLOATS = (torch.float32, torch.float64)


def _out(node: Node) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape and dtype of a node's result."""
    value = node.meta["val"]
    return tuple(size if isinstance(size, int) else DYNAMIC for size in value.shape), value.dtype


def _tensor(value: Any, dtype: torch.dtype) -> Value:
    """A number as a constant of the given dtype; anything else as it is."""
    return value if isinstance(value, Ref | Tensor) else torch.tensor(value, dtype=dtype)


def _same(value: Value, dtype: torch.dtype, b: Builder) -> Value:
    """The value in a dtype."""
    if isinstance(value, Tensor):
        return value.to(dtype)
    return value if value.dtype == dtype else b.emit("Cast", [value], value.shape, dtype, to=_code(dtype))


def _code(dtype: torch.dtype) -> int:
    return TYPES[dtype]


def _two(b: Builder, node: Node, kind: str, x: Value, y: Value, inner: torch.dtype | None = None) -> Ref:
    """An operator of two tensors of one dtype."""
    shape, dtype = _out(node)
    inner = inner or dtype
    return b.spread(kind, [_same(_tensor(x, inner), inner, b), _same(_tensor(y, inner), inner, b)], shape, dtype)


def _float(b: Builder, kind: str, inputs: Sequence[Value], like: Ref) -> Ref:
    """An operator whose result has the shape and dtype of `like`."""
    return b.emit(kind, [_tensor(value, like.dtype) for value in inputs], like.shape, like.dtype)


@handles("alias.default", "clone.default", "contiguous.default", "detach.default", "dropout.default",
         "lift_fresh_copy.default")  # fmt: skip
def _alias(b: Builder, node: Node, x: Value, *rest: Any, **named: Any) -> Value:
    return x


@handles("to.dtype", "_to_copy.default", "to.dtype_layout")
def _to(b: Builder, node: Node, x: Value, *rest: Any, **named: Any) -> Value:
    return _same(x, node.meta["val"].dtype, b)


@handles("sym_size.int")
def _size(b: Builder, node: Node, x: Value, axis: int) -> Any:
    size = x.shape[axis]
    return Batch(1) if size == DYNAMIC else size


@handles("add.Tensor", "add.Scalar")
def _add(b: Builder, node: Node, x: Value, y: Value, *, alpha: float = 1) -> Ref:
    return _two(b, node, "Add", x, _scaled(b, y, alpha, _out(node)[1]))


@handles("sub.Tensor", "sub.Scalar")
def _sub(b: Builder, node: Node, x: Value, y: Value, *, alpha: float = 1) -> Ref:
    return _two(b, node, "Sub", x, _scaled(b, y, alpha, _out(node)[1]))


@handles("rsub.Scalar", "rsub.Tensor")
def _rsub(b: Builder, node: Node, x: Value, y: Value, alpha: float = 1) -> Ref:
    return _two(b, node, "Sub", y, _scaled(b, x, alpha, _out(node)[1]))


def _scaled(b: Builder, y: Value, alpha: float, dtype: torch.dtype) -> Value:
    if alpha == 1:
        return y
    return y * alpha if not isinstance(y, Ref) else b.emit("Mul", [y, torch.tensor(alpha, dtype=dtype)], y.shape, dtype)


@handles("mul.Tensor", "mul.Scalar")
def _mul(b: Builder, node: Node, x: Value, y: Value) -> Ref:
    return _two(b, node, "Mul", x, y)


@handles("div.Tensor", "div.Scalar")
def _div(b: Builder, node: Node, x: Value, y: Value) -> Ref:
    return _two(b, node, "Div", x, y)


@handles("maximum.default")
def _maximum(b: Builder, node: Node, x: Value, y: Value) -> Ref:
    return _two(b, node, "Max", x, y)


@handles("minimum.default")
def _minimum(b: Builder, node: Node, x: Value, y: Value) -> Ref:
    return _two(b, node, "Min", x, y)


@handles("addcmul.default")
def _addcmul(b: Builder, node: Node, x: Value, y: Value, z: Value, *, value: float = 1) -> Ref:
    shape, dtype = _out(node)
    product = b.spread("Mul", [y, z], shape, dtype)
    return b.spread("Add", [x, _scaled(b, product, value, dtype)], shape, dtype)


def _compare(kind: str) -> Any:
    def compared(b: Builder, node: Node, x: Value, y: Value) -> Ref:
        given = [value for value in (x, y) if isinstance(value, Ref | Tensor)]
        inner = next((value.dtype for value in given if value.dtype in FLOATS), given[0].dtype)
        return _two(b, node, kind, x, y, inner)

    return compared


for _name, _kind in (
    ("ge", "GreaterOrEqual"), ("gt", "Greater"), ("le", "LessOrEqual"), ("lt", "Less"), ("eq", "Equal"),
):  # fmt: skip
    handles(f"{_name}.Tensor", f"{_name}.Scalar")(_compare(_kind))


@handles("where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar")
def _where(b: Builder, node: Node, condition: Value, x: Value, y: Value) -> Ref:
    shape, dtype = _out(node)
    return b.spread("Where", [condition, _tensor(x, dtype), _tensor(y, dtype)], shape, dtype)


def _single(kind: str) -> Any:
    def one(b: Builder, node: Node, x: Value) -> Ref:
        return _float(b, kind, [x], x)

    return one


for _name, _kind in (
    ("neg", "Neg"), ("abs", "Abs"), ("exp", "Exp"), ("log", "Log"), ("sqrt", "Sqrt"),
    ("tanh", "Tanh"), ("relu", "Relu"), ("sin", "Sin"), ("cos", "Cos"), ("erf", "Erf"), ("reciprocal", "Reciprocal"),
):  # fmt: skip
    handles(f"{_name}.default")(_single(_kind))


@handles("sigmoid.default")
def _sigmoid(b: Builder, node: Node, x: Ref) -> Ref:
    """By the exponential: ONNX Runtime's Sigmoid is right to 1e-7 of one only, which is all of a small share."""
    below = _float(b, "Exp", [_float(b, "Neg", [x], x)], x)
    return _float(b, "Div", [1.0, _float(b, "Add", [below, 1.0], x)], x)


@handles("square.default")
def _square(b: Builder, node: Node, x: Ref) -> Ref:
    return _float(b, "Mul", [x, x], x)


@handles("rsqrt.default")
def _rsqrt(b: Builder, node: Node, x: Ref) -> Ref:
    return _float(b, "Div", [1.0, _float(b, "Sqrt", [x], x)], x)


@handles("silu.default")
def _silu(b: Builder, node: Node, x: Ref) -> Ref:
    return _float(b, "Mul", [x, _float(b, "Sigmoid", [x], x)], x)


@handles("gelu.default")
def _gelu(b: Builder, node: Node, x: Ref, *, approximate: str = "none") -> Ref:
    if approximate == "none":
        inner = _float(b, "Erf", [_float(b, "Mul", [x, math.sqrt(0.5)], x)], x)
    else:
        cube = _float(b, "Mul", [_float(b, "Mul", [_float(b, "Mul", [x, x], x), x], x), 0.044715], x)
        inner = _float(b, "Tanh", [_float(b, "Mul", [_float(b, "Add", [x, cube], x), math.sqrt(2 / math.pi)], x)], x)
    return _float(b, "Mul", [_float(b, "Mul", [x, 0.5], x), _float(b, "Add", [inner, 1.0], x)], x)


@handles("softplus.default")
def _softplus(b: Builder, node: Node, x: Ref, beta: float = 1, threshold: float = 20) -> Ref:
    if beta != 1:
        return _float(b, "Div", [_float(b, "Softplus", [_float(b, "Mul", [x, float(beta)], x)], x), float(beta)], x)
    return _float(b, "Softplus", [x], x)


@handles("pow.Tensor_Scalar")
def _pow(b: Builder, node: Node, x: Ref, power: float) -> Value:
    if power == 0:
        return torch.ones([1 if size == DYNAMIC else size for size in x.shape], dtype=x.dtype)
    if power in (1, 2, 3):
        result = x
        for _ in range(int(power) - 1):
            result = _float(b, "Mul", [result, x], x)
        return result
    return _float(b, "Pow", [x, float(power)], x)


@handles("clamp.default", "clamp_min.default", "clamp_max.default")
def _clamp(b: Builder, node: Node, x: Ref, *limits: Any, **named: Any) -> Ref:
    kind = str(node.target)
    low = named.get("min", limits[0] if limits and "clamp_max" not in kind else None)
    high = named.get("max", limits[0] if limits and "clamp_max" in kind else (limits[1] if len(limits) > 1 else None))
    if low is not None:
        x = _float(b, "Max", [x, float(low)], x)
    return x if high is None else _float(b, "Min", [x, float(high)], x)


@handles("zeros_like.default", "ones_like.default", "full_like.default", "new_zeros.default", "new_ones.default",
         "new_full.default")  # fmt: skip
def _filled(b: Builder, node: Node, x: Ref, *rest: Any, **named: Any) -> Tensor:
    shape, dtype = _out(node)
    kind = str(node.target)
    given = named.get("fill_value", rest[-1] if rest else 0)
    value = 0.0 if "zeros" in kind else 1.0 if "ones" in kind else float(given)
    return torch.full([1 if size == DYNAMIC else size for size in shape], value, dtype=dtype)


@handles("unsqueeze.default", "reshape.default", "view.default", "_unsafe_view.default", "flatten.using_ints",
         "unflatten.int", "squeeze.dim")  # fmt: skip
def _reshape(b: Builder, node: Node, x: Ref, *rest: Any) -> Ref:
    return b.reshape(x, _out(node)[0])


@handles("expand.default")
def _expand(b: Builder, node: Node, x: Ref, *rest: Any, **named: Any) -> Ref:
    shape, dtype = _out(node)
    if shape == x.shape:
        return x
    ones = torch.ones([1 if size == DYNAMIC else size for size in shape], dtype=dtype)
    return b.emit("Mul", [x, ones], shape, dtype)


@handles("transpose.int", "t.default", "permute.default")
def _transpose(b: Builder, node: Node, x: Ref, *axes: Any) -> Ref:
    shape, dtype = _out(node)
    order = list(range(len(shape)))
    if isinstance(axes[0] if axes else None, list | tuple):
        order = [axis % len(shape) for axis in axes[0]]
    else:
        first, second = (axis % len(shape) for axis in (axes or (0, 1)))
        order[first], order[second] = order[second], order[first]
    return b.emit("Transpose", [x], shape, dtype, perm=order)


def _slice(b: Builder, x: Ref, axis: int, start: int, stop: int, step: int = 1) -> Ref:
    axis %= len(x.shape)
    size = x.shape[axis]
    if start == 0 and step == 1 and (stop >= size if size != DYNAMIC else stop > 1 << 60):
        return x
    if size != DYNAMIC:
        start, stop = (max(0, min(size, end + size if end < 0 else end)) for end in (start, stop))
    shape = list(x.shape)
    if size != DYNAMIC:
        shape[axis] = len(range(start, stop, step))
    limits = [b.integers(value) for value in (start, stop, axis, step)]
    return b.emit("Slice", [x, *(limits if step != 1 else limits[:3])], shape, x.dtype)


@handles("slice.Tensor")
def _sliced(b: Builder, node: Node, x: Ref, axis: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Ref:
    return _slice(b, x, axis, start or 0, (1 << 62) if stop is None else stop, step)


@handles("select.int")
def _select(b: Builder, node: Node, x: Ref, axis: int, index: int) -> Ref:
    axis %= len(x.shape)
    index = index + x.shape[axis] if index < 0 else index
    return b.reshape(_slice(b, x, axis, index, index + 1), _out(node)[0])


@handles("unbind.int")
def _unbind(b: Builder, node: Node, x: Ref, axis: int = 0) -> tuple[Ref, ...]:
    axis %= len(x.shape)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return tuple(b.reshape(_slice(b, x, axis, i, i + 1), shape) for i in range(x.shape[axis]))


@handles("split_with_sizes.default", "split.Tensor", "split.sizes", "chunk.default", "tensor_split.sections")
def _split(b: Builder, node: Node, x: Ref, *rest: Any, **named: Any) -> tuple[Ref, ...]:
    axis = int(named.get("dim", rest[1] if len(rest) > 1 else 0))
    sizes = [value.shape[axis] for value in node.meta["val"]]
    stops = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return tuple(_slice(b, x, axis, stop - size, stop) for size, stop in zip(sizes, stops, strict=True))


@handles("index_select.default")
def _index_select(b: Builder, node: Node, x: Ref, axis: int, index: Value) -> Ref:
    shape, dtype = _out(node)
    if isinstance(index, Tensor) and torch.equal(index, torch.arange(x.shape[axis])):
        return x
    return b.emit("Gather", [x, index], shape, dtype, axis=axis % len(shape))


@handles("cat.default")
def _cat(b: Builder, node: Node, parts: Sequence[Value], axis: int = 0) -> Ref:
    shape, dtype = _out(node)
    whole = [b.whole(part, len(shape)) for part in parts if isinstance(part, Ref) or part.numel()]
    whole = [part for part in whole if 0 not in part.shape]
    if len(whole) == 1:
        return whole[0]
    return b.emit("Concat", whole, shape, dtype, axis=axis % len(shape))


@handles("stack.default")
def _stack(b: Builder, node: Node, parts: Sequence[Value], axis: int = 0) -> Ref:
    shape, dtype = _out(node)
    axis %= len(shape)
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    return b.emit("Concat", [b.reshape(b.whole(p, len(shape) - 1), one) for p in parts], shape, dtype, axis=axis)


@handles("amax.default", "amin.default", "mean.dim", "sum.dim_IntList")
def _reduce(b: Builder, node: Node, x: Ref, axes: Any = (), keep: bool = False, **named: Any) -> Ref:
    kind = {"amax": "ReduceMax", "amin": "ReduceMin", "mean": "ReduceMean", "sum": "ReduceSum"}[
        str(node.target).split(".")[1]
    ]
    shape, dtype = _out(node)
    x = _same(x, dtype, b)
    given = [axis % len(x.shape) for axis in ([axes] if isinstance(axes, int) else axes)]
    if kind == "ReduceSum":
        return b.emit(kind, [x, b.integers(*given)], shape, dtype, keepdims=int(keep))
    return b.emit(kind, [x], shape, dtype, axes=given, keepdims=int(keep))


@handles("softmax.int", "_softmax.default")
def _softmax(b: Builder, node: Node, x: Ref, axis: int, *rest: Any) -> Ref:
    return b.emit("Softmax", [x], x.shape, x.dtype, axis=axis % len(x.shape))


@handles("log_softmax.int", "_log_softmax.default")
def _log_softmax(b: Builder, node: Node, x: Ref, axis: int, *rest: Any) -> Ref:
    axis %= len(x.shape)
    one = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
    moved = b.emit("Sub", [x, b.emit("ReduceMax", [x], one, x.dtype, axes=[axis], keepdims=1)], x.shape, x.dtype)
    total = b.emit("ReduceSum", [_float(b, "Exp", [moved], x), b.integers(axis)], one, x.dtype, keepdims=1)
    return b.emit("Sub", [moved, b.emit("Log", [total], one, x.dtype)], x.shape, x.dtype)


@handles("matmul.default", "mm.default", "bmm.default")
def _matmul(b: Builder, node: Node, x: Value, y: Value) -> Ref:
    shape, dtype = _out(node)
    return b.emit("MatMul", [x, y], shape, dtype)


@handles("linear.default")
def _linear(b: Builder, node: Node, x: Ref, weight: Value, bias: Value = None) -> Ref:
    shape, dtype = _out(node)
    if len(x.shape) == 2 and isinstance(weight, Tensor):
        return b.emit("Gemm", [x, weight.t(), bias], shape, dtype)
    turned = weight.t() if isinstance(weight, Tensor) else b.emit("Transpose", [weight], weight.shape[::-1], dtype)
    product = b.emit("MatMul", [x, turned], shape, dtype)
    return product if bias is None else b.emit("Add", [product, bias], shape, dtype)


@handles("addmm.default")
def _addmm(b: Builder, node: Node, bias: Value, x: Ref, weight: Value, *, beta: float = 1, alpha: float = 1) -> Ref:
    shape, dtype = _out(node)
    return b.emit("Gemm", [x, weight, bias], shape, dtype, alpha=float(alpha), beta=float(beta))


@handles("scaled_dot_product_attention.default")
def _attention(b: Builder, node: Node, q: Ref, k: Ref, v: Ref, *rest: Any, scale: float | None = None) -> Ref:
    shape, dtype = _out(node)
    order = [*range(len(k.shape) - 2), len(k.shape) - 1, len(k.shape) - 2]
    turned = b.emit("Transpose", [k], [k.shape[axis] for axis in order], dtype, perm=order)
    weights = (*q.shape[:-1], k.shape[-2])
    factor = torch.tensor(1 / math.sqrt(q.shape[-1]) if scale is None else scale, dtype=dtype)
    products = b.emit("Mul", [b.emit("MatMul", [q, turned], weights, dtype), factor], weights, dtype)
    return b.emit("MatMul", [b.emit("Softmax", [products], weights, dtype, axis=len(weights) - 1), v], shape, dtype)


@handles("randn.default", "rand.default")
def _random(b: Builder, node: Node, size: Sequence[int], **named: Any) -> Ref:
    kind = "RandomNormal" if "randn" in str(node.target) else "RandomUniform"
    return b.emit(kind, [], size, torch.float32, shape=list(size))
