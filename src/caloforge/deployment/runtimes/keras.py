"""Keras models, node by node from the ONNX graph."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.deployment.lack import Lack
from caloforge.deployment.runtimes.base import Arrays, Call, Graph, Runtime
from caloforge.errors import CaloforgeError

BACKEND = "jax"
"""Backend of Keras where the environment (KERAS_BACKEND) names none."""

_PLAIN = {
    "Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide", "Max": "maximum", "Min": "minimum",
    "Pow": "power", "Neg": "negative", "Abs": "absolute", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Sin": "sin",
    "Cos": "cos", "Erf": "erf", "Tanh": "tanh", "Sigmoid": "sigmoid", "Relu": "relu", "Softplus": "softplus",
    "Reciprocal": "reciprocal", "Where": "where", "GreaterOrEqual": "greater_equal", "Greater": "greater",
    "LessOrEqual": "less_equal", "Less": "less", "Equal": "equal",
}  # fmt: skip
_REDUCED = {"ReduceMax": "max", "ReduceMin": "min", "ReduceMean": "mean", "ReduceSum": "sum"}
_OTHER = {"Gemm", "MatMul", "Reshape", "Transpose", "Concat", "Slice", "Gather", "Softmax", "Cast", "Identity"}


def _keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", BACKEND)
    import keras

    return keras


class KerasRuntime(Runtime):
    """`model.keras`, a functional model whose inputs come in the order of `export.json`."""

    name = "keras"
    extra = "keras"
    packages = ("onnx", "keras")

    def needs(self) -> Sequence[str]:
        """Keras, and the backend that it computes with."""
        return *self.packages, os.environ.get("KERAS_BACKEND", BACKEND)

    def lacking(self, graph: Graph) -> list[Lack]:
        """Nodes that have no counterpart here."""
        known = {*_PLAIN, *_REDUCED, *_OTHER}
        nodes = graph.onnx.graph.node
        return [Lack(n.op_type, n.name) for n in nodes if n.op_type not in known]

    def write(self, graph: Graph, folder: Path) -> None:
        """Write `model.keras`."""
        model = _Translation(graph).model()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(folder / "model.keras")

    def open(self, folder: Path) -> Call:
        """The model, called with its inputs in order."""
        keras = _keras()
        model = keras.saving.load_model(folder / "model.keras", compile=False)

        def call(inputs: Arrays) -> list[NDArray[np.float32]]:
            results = model(list(inputs.values()))
            several = results if isinstance(results, list | tuple) else [results]
            return [keras.ops.convert_to_numpy(part) for part in several]

        return call


class _Translation:
    """One ONNX graph on its way to a functional model."""

    def __init__(self, graph: Graph) -> None:
        from onnx import numpy_helper

        self.keras, self.source, self.dynamic = _keras(), graph.onnx.graph, graph.dynamic
        self.values: dict[str, Any] = {one.name: numpy_helper.to_array(one) for one in self.source.initializer}

    def model(self) -> Any:
        """The functional model."""
        inputs = []
        for entry in self.source.input:
            shape = tuple(dim.dim_value for dim in entry.type.tensor_type.shape.dim[1:])
            batch = None if self.dynamic else 1
            tensor = self.keras.Input(shape=shape, batch_size=batch, name=entry.name.replace(".", "_"))
            self.values[entry.name] = tensor
            inputs.append(tensor)
        for node in self.source.node:
            self.values[node.output[0]] = self._one(node)
        return self.keras.Model(inputs, [self.values[entry.name] for entry in self.source.output])

    def _one(self, node: Any) -> Any:
        from onnx import helper

        given = [self.values[name] for name in node.input if name]
        named = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        ops, kind = self.keras.ops, node.op_type
        if kind in _PLAIN:
            return getattr(ops, _PLAIN[kind])(*(_number(value) for value in given))
        if kind in _REDUCED:
            axes = tuple(int(axis) for axis in (named["axes"] if "axes" in named else given[1]))
            return getattr(ops, _REDUCED[kind])(given[0], axis=axes, keepdims=bool(named.get("keepdims", 1)))
        special: Callable[..., Any] = getattr(self, f"_{kind.lower()}")
        return special(given, named)

    def _gemm(self, given: list[Any], named: dict[str, Any]) -> Any:
        return self._dense(given[0], given[1], given[2] if len(given) > 2 else None)

    def _matmul(self, given: list[Any], named: dict[str, Any]) -> Any:
        if isinstance(given[1], np.ndarray) and given[1].ndim == 2:
            return self._dense(given[0], given[1], None)
        return self.keras.ops.matmul(given[0], given[1])

    def _dense(self, x: Any, weight: Any, bias: Any) -> Any:
        layer = self.keras.layers.Dense(weight.shape[1], use_bias=bias is not None)
        result = layer(x)
        layer.set_weights([weight] if bias is None else [weight, np.broadcast_to(bias, (weight.shape[1],))])
        return result

    def _reshape(self, given: list[Any], named: dict[str, Any]) -> Any:
        return self.keras.ops.reshape(given[0], tuple(int(size) for size in given[1]))

    def _transpose(self, given: list[Any], named: dict[str, Any]) -> Any:
        return self.keras.ops.transpose(given[0], axes=tuple(named["perm"]))

    def _concat(self, given: list[Any], named: dict[str, Any]) -> Any:
        return self.keras.ops.concatenate(given, axis=int(named["axis"]))

    def _slice(self, given: list[Any], named: dict[str, Any]) -> Any:
        begin, end, axis = (int(part[0]) for part in given[1:4])
        step = int(given[4][0]) if len(given) > 4 else 1
        return self.keras.ops.take(given[0], list(range(begin, end, step)), axis=axis)

    def _gather(self, given: list[Any], named: dict[str, Any]) -> Any:
        return self.keras.ops.take(given[0], [int(i) for i in given[1]], axis=int(named["axis"]))

    def _softmax(self, given: list[Any], named: dict[str, Any]) -> Any:
        return self.keras.ops.softmax(given[0], axis=int(named["axis"]))

    def _cast(self, given: list[Any], named: dict[str, Any]) -> Any:
        names = {1: "float32", 7: "int64", 9: "bool"}
        if int(named["to"]) not in names:
            raise CaloforgeError(f"Keras has no type {named['to']} of ONNX; choose another runtime.")
        return self.keras.ops.cast(given[0], names[int(named["to"])])

    def _identity(self, given: list[Any], named: dict[str, Any]) -> Any:
        return given[0]


def _number(value: Any) -> Any:
    """A constant of one element as a number, which takes the type of what it meets; anything else as it is."""
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
