"""From a traced module to ONNX, operator by operator: no shapes computed at run time, constants folded in PyTorch.

What depends on no input is computed here once. A constant that has the batch as its first axis is kept with one row,
and arithmetic spreads it; so the graph holds no Shape, Expand or ConstantOfShape, which some runtimes refuse.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import Node

from caloforge.errors import CaloforgeError

OPSET = 17
IR_VERSION = 8
DYNAMIC = -1


class Batch(int):
    """The number of showers, not known before the graph runs; constants have one row instead."""


class Ref(NamedTuple):
    """A tensor of the graph: its name, its shape with DYNAMIC for the batch, and its dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


Value = Any
Handler = Callable[..., Value]
HANDLERS: dict[str, Handler] = {}
RANDOM = {"aten.randn.default", "aten.rand.default"}
_IGNORED = {"aten._assert_tensor_metadata.default", "aten._assert_scalar.default"}
TYPES = {torch.float32: 1, torch.float64: 11, torch.int64: 7, torch.int32: 6, torch.bool: 9, torch.float16: 10,
          torch.bfloat16: 16}  # fmt: skip


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register a function (builder, node, *arguments) as what turns these operators into nodes of the graph."""

    def keep(function: Handler) -> Handler:
        for name in names:
            HANDLERS[f"aten.{name}"] = function
        return function

    return keep


class Builder:
    """A graph under construction: nodes, and constants by content."""

    def __init__(self, opset: int) -> None:
        import onnx

        self.onnx, self.opset = onnx, opset
        self.nodes: list[Any] = []
        self.constants: dict[str, Tensor] = {}
        self._by_content: dict[tuple[Any, ...], str] = {}
        self.place, self.count = "", 0
        self.anchor: Ref | None = None

    def emit(
        self, kind: str, inputs: Sequence[Value], shape: Sequence[int], dtype: torch.dtype, /, **attributes: Any
    ) -> Ref:
        """Add a node; inputs are Refs, constant tensors, or None where an optional one is left out."""
        names = ["" if value is None else self.name_of(value) for value in inputs]
        while names and not names[-1]:
            names.pop()
        self.count += 1
        name = f"{self.place or 'graph'}/{kind}_{self.count}"
        out = f"t{self.count}"
        self.nodes.append(self.onnx.helper.make_node(kind, names, [out], name=name, **attributes))
        return Ref(out, tuple(shape), dtype)

    def name_of(self, value: Value) -> str:
        """The name of a Ref, or of the constant that a tensor becomes."""
        if isinstance(value, Ref):
            return value.name
        tensor = value.detach().contiguous()
        key = (tuple(tensor.shape), tensor.dtype, tensor.numpy().tobytes())
        if key not in self._by_content:
            name = f"c{len(self._by_content)}"
            self._by_content[key] = name
            self.constants[name] = tensor
        return self._by_content[key]

    def integers(self, *values: int) -> Tensor:
        """A constant of whole numbers."""
        return torch.tensor(values, dtype=torch.int64)

    def spread(self, kind: str, inputs: Sequence[Value], shape: Sequence[int], dtype: torch.dtype) -> Ref:
        """A node that spreads its inputs over one another; constants that are equal throughout become one number."""
        refs = [value for value in inputs if isinstance(value, Ref)]
        covered = _spread_shape([ref.shape for ref in refs])
        light = [
            value.reshape(-1)[:1].reshape(())
            if isinstance(value, Tensor) and value.numel() > 1 and covered == tuple(shape) and _uniform(value)
            else value
            for value in inputs
        ]
        return self.emit(kind, light, shape, dtype)

    def whole(self, value: Value, rank: int) -> Ref:
        """A constant with one row for the batch, as a tensor of the graph with all its rows."""
        if isinstance(value, Ref):
            return value
        assert self.anchor is not None
        zero = self.emit("Mul", [self.anchor, torch.zeros(())], self.anchor.shape, self.anchor.dtype)
        axes = self.integers(*range(1, len(zero.shape)))
        flat = self.emit("ReduceSum", [zero, axes], (DYNAMIC,), zero.dtype, keepdims=0)
        column = self.reshape(flat, (DYNAMIC, *[1] * (rank - 1)))
        return self.emit("Add", [column, value], (DYNAMIC, *value.shape[1:]), value.dtype)

    def reshape(self, value: Ref, shape: Sequence[int]) -> Ref:
        """A tensor in another shape with at most one DYNAMIC axis."""
        if tuple(shape) == value.shape:
            return value
        return self.emit("Reshape", [value, self.integers(*shape)], shape, value.dtype)


def _uniform(tensor: Tensor) -> bool:
    return bool((tensor == tensor.reshape(-1)[0]).all())


def _spread_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    rank = max((len(shape) for shape in shapes), default=0)
    sizes = []
    for axis in range(rank):
        found = {shape[axis - rank] for shape in shapes if len(shape) >= rank - axis} - {1}
        sizes.append(found.pop() if len(found) == 1 else (DYNAMIC if found else 1))
    return tuple(sizes)


def trace(module: nn.Module, example: Mapping[str, Tensor], *, dynamic: bool = True) -> torch.export.ExportedProgram:
    """The module as a program of PyTorch's exporter, for any number of rows where `dynamic`.

    example: inputs by name.
    """
    rows = torch.export.Dim("showers")
    each = tuple({0: rows} for _ in example)
    several = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(module.forward).parameters.values())
    shapes = ((each,) if several else each) if dynamic else None
    with torch.no_grad():
        return torch.export.export(module, tuple(example.values()), dynamic_shapes=shapes, strict=False)


def build(
    program: torch.export.ExportedProgram,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    opset: int = OPSET,
    metadata: Mapping[str, str] | None = None,
    precision: torch.dtype = torch.float32,
) -> Any:
    """The ONNX model (onnx.ModelProto) of a traced program; inputs, outputs: their names in order.

    precision: of the weights of products as they are stored, where that changes none of their values; the graph
    computes in float32. Raises CaloforgeError that lists every operator that cannot be said in ONNX with its place in
    the module.
    """
    builder = Builder(opset)
    results, feeds = _walk(builder, program, list(inputs))
    return _model(builder, results, feeds, outputs, metadata or {}, precision)


def _walk(builder: Builder, program: torch.export.ExportedProgram, names: list[str]) -> tuple[list[Value], list[Ref]]:
    """Turn every node of the program into nodes of the graph; gives results and inputs."""
    signature = program.graph_signature
    state = {**program.state_dict, **program.constants}
    kept = {spec.arg.name: state[spec.target] for spec in signature.input_specs if spec.target is not None}
    program.graph.eliminate_dead_code()
    values: dict[Node, Value] = {}
    feeds: list[Ref] = []
    unknown: list[str] = []
    waiting = iter(names)
    results: list[Value] = []
    for node in program.graph.nodes:
        builder.place = _place(node)
        if node.op == "placeholder":
            if node.name in kept:
                values[node] = kept[node.name].detach()
            else:
                ref = Ref(next(waiting), _shape(node.meta["val"]), node.meta["val"].dtype)
                values[node] = ref
                feeds.append(ref)
                builder.anchor = builder.anchor or ref
        elif node.op == "output":
            results = list(_looked_up(node.args[0], values))
        elif str(node.target) not in _IGNORED:
            values[node] = _one(builder, node, values, unknown)
    if unknown:
        raise CaloforgeError(
            f"The model has operators that caloforge cannot say in ONNX: {'; '.join(unknown)}; write these parts with "
            "other operators, or export with --to torch."
        )
    return results, feeds


def _one(builder: Builder, node: Node, values: dict[Node, Value], unknown: list[str]) -> Value:
    arguments, named = _looked_up(node.args, values), _looked_up(node.kwargs, values)
    kind = str(node.target)
    if _any_ref(arguments) or _any_ref(named) or kind in RANDOM:
        if node.target is operator.getitem:
            return arguments[0][arguments[1]]
        handler = HANDLERS.get(kind)
        if handler is None:
            unknown.append(f"{kind} in '{builder.place or 'the module'}'")
            return Ref("?", _shape(node.meta["val"]), torch.float32) if isinstance(node.meta["val"], Tensor) else ()
        return handler(builder, node, *arguments, **named)
    with torch.no_grad():
        return node.target(*arguments, **named)  # type: ignore[operator]


def _looked_up(value: Any, values: Mapping[Node, Value]) -> Any:
    if isinstance(value, Node):
        return values[value]
    if isinstance(value, list | tuple):
        return type(value)(_looked_up(part, values) for part in value)
    if isinstance(value, dict):
        return {key: _looked_up(part, values) for key, part in value.items()}
    return value


def _any_ref(value: Any) -> bool:
    if isinstance(value, Ref):
        return True
    if isinstance(value, list | tuple):
        return any(_any_ref(part) for part in value)
    return isinstance(value, dict) and any(_any_ref(part) for part in value.values())


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else DYNAMIC for size in value.shape)


def _place(node: Node) -> str:
    """The module that a node belongs to, as a dotted path."""
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return ""
    path = str(list(stack.values())[-1][0])
    for lead in ("L['self'].", "module.", "model."):
        path = path.removeprefix(lead)
    return path


def _model(
    builder: Builder, results: list[Value], feeds: list[Ref], outputs: Sequence[str], metadata: Mapping[str, str],
    precision: torch.dtype,
) -> Any:  # fmt: skip
    helper = builder.onnx.helper
    for name, value in zip(outputs, results, strict=True):
        value = value if isinstance(value, Ref) else builder.whole(value, value.dim())
        last = helper.make_node("Identity", [value.name], [name], name=f"output/{name}")
        builder.nodes.append(last)
    nodes = _live(builder.nodes, set(outputs))
    used = {name for node in nodes for name in node.input}
    stored, casts = _initializers(builder, nodes, used, precision)
    described = [helper.make_tensor_value_info(ref.name, TYPES[ref.dtype], _sizes(ref.shape)) for ref in feeds]
    ends = [
        helper.make_tensor_value_info(name, TYPES[value.dtype], _sizes(_out_shape(value)))
        for name, value in zip(outputs, results, strict=True)
    ]
    graph = helper.make_graph([*casts, *nodes], "caloforge", described, ends, stored)
    imports = [helper.make_opsetid("", builder.opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="caloforge")
    helper.set_model_props(model, dict(metadata))
    return model


def _out_shape(value: Value) -> tuple[int, ...]:
    return value.shape if isinstance(value, Ref) else (DYNAMIC, *value.shape[1:])


def _sizes(shape: Sequence[int]) -> list[int | str]:
    return ["showers" if size == DYNAMIC else size for size in shape]


def _live(nodes: list[Any], wanted: set[str]) -> list[Any]:
    """The nodes that lead to the outputs."""
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    return kept[::-1]


def _initializers(
    builder: Builder, nodes: list[Any], used: set[str], precision: torch.dtype
) -> tuple[list[Any], list[Any]]:
    """Constants as they are stored, and the casts that bring weights of less precision back to float32."""
    helper, stored, casts = builder.onnx.helper, [], []
    products = {name for node in nodes if node.op_type in ("Gemm", "MatMul") for name in node.input[:2]}
    for name, tensor in builder.constants.items():
        if name not in used:
            continue
        small = tensor.to(precision)
        if name in products and small.dtype != tensor.dtype == torch.float32 and torch.equal(small.float(), tensor):
            raw = small.view(torch.int16).numpy().tobytes()
            stored.append(helper.make_tensor(f"{name}_small", TYPES[precision], tuple(tensor.shape), raw, raw=True))
            casts.append(helper.make_node("Cast", [f"{name}_small"], [name], name=f"weights/{name}", to=1))
        else:
            stored.append(builder.onnx.numpy_helper.from_array(np.ascontiguousarray(tensor.numpy()), name))
    return stored, casts
