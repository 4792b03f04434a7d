"""A multilayer perceptron on one core, from weights packed once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from caloforge.deployment.fast import activation_kernel as kernel
from caloforge.deployment.fast.checked import check_out, checked
from caloforge.deployment.fast.mlp_kernel import perceptron
from caloforge.deployment.fast.panels import Floats, Panels, aligned
from caloforge.deployment.fast.product_kernel import ROWS, WIDTH
from caloforge.errors import CaloforgeError
from caloforge.nn.compilation import announced
from caloforge.nn.mlp import MLP

CACHE_BYTES = 192 * 1024
"""What the activations of a chunk may take; the nearest caches that hold this much belong to one core."""

_LARGEST_CHUNK = 256 * ROWS


class Activation(NamedTuple):
    """Number of an activation in the kernel, and its slope below zero where it has one."""

    number: int
    slope: float = 0.0


def _activation(module: nn.Module) -> Activation | None:
    match module:
        case nn.ReLU():
            return Activation(kernel.RELU)
        case nn.LeakyReLU():
            return Activation(kernel.LEAKY, module.negative_slope)
        case nn.ELU():
            return Activation(kernel.ELU, module.alpha)
        case nn.SiLU():
            return Activation(kernel.SILU)
        case nn.Tanh():
            return Activation(kernel.TANH)
        case nn.Sigmoid():
            return Activation(kernel.SIGMOID)
        case nn.Softplus() if module.beta == 1:
            return Activation(kernel.SOFTPLUS)
        case nn.GELU():
            return Activation(kernel.GELU if module.approximate == "none" else kernel.GELU_TANH)
    return None


def _steps(module: nn.Module) -> Iterator[nn.Module]:
    """The modules of a chain in their order, without those that do nothing in use."""
    if isinstance(module, MLP):
        module = module.layers
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from _steps(part)
    elif not isinstance(module, nn.Dropout | nn.Identity):
        yield module


class Layer(NamedTuple):
    """One dense layer: weight (out, in), bias (out,) and what follows it."""

    weight: Floats
    bias: Floats
    activation: Activation


def _layers(module: nn.Module) -> list[Layer]:
    layers: list[Layer] = []
    for step in _steps(module):
        activation = _activation(step)
        if type(step) is nn.Linear:
            weight = _floats(step.weight)
            bias = np.zeros(len(weight), np.float32) if step.bias is None else _floats(step.bias)
            if layers and weight.shape[1] != len(layers[-1].weight):
                raise CaloforgeError(
                    f"a layer of {weight.shape[1]} inputs follows one of {len(layers[-1].weight)} outputs; correct the "
                    "module."
                )
            layers.append(Layer(weight, bias, Activation(kernel.IDENTITY)))
        elif activation is not None and layers and layers[-1].activation.number == kernel.IDENTITY:
            layers[-1] = layers[-1]._replace(activation=activation)
        else:
            raise CaloforgeError(
                f"FastMLP packs dense layers (nn.Linear) with ReLU, LeakyReLU, ELU, SiLU, Tanh, Sigmoid, Softplus or "
                f"GELU after them, but {step} was found in {type(module).__name__}; export the model to ONNX instead."
            )
    if not layers:
        raise CaloforgeError(f"{type(module).__name__} has no dense layer to pack; give an nn.Sequential with some.")
    return layers


def _floats(parameter: torch.Tensor) -> Floats:
    return np.array(parameter.detach().cpu().float().numpy())


class FastMLP:
    """A chain of dense layers and activations, ready for one core: (N, features) -> (N, outputs), float32.

    Weights are packed once, in the order in which the products read them; a call takes showers in chunks whose
    activations stay in the cache, and applies bias and activation while a result is at hand. It has no threads of its
    own, lets go of Python's lock meanwhile, and may be called from several threads at once. The first call in an
    installation compiles for the processor at hand, which takes some seconds; the result is kept on disk.

    >>> decoder = nn.Sequential(nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 504), nn.Sigmoid())
    >>> FastMLP.pack(decoder)(np.zeros((1000, 10), np.float32)).shape
    (1000, 504)
    """

    def __init__(self, layers: list[Layer]) -> None:
        self.features, self.outputs = layers[0].weight.shape[1], len(layers[-1].weight)
        panels = Panels()
        rows = []
        for layer in layers:
            rows.append((*panels.add_layer(layer.weight, layer.bias), len(layer.weight), layer.activation.number))
        hidden = [len(layer.weight) for layer in layers[:-1]]
        self._widest = -(-max(hidden, default=1) // WIDTH) * WIDTH
        rows_in_cache = CACHE_BYTES // (8 * self._widest)
        self.chunk = ROWS * min(max(rows_in_cache // ROWS, 4), _LARGEST_CHUNK // ROWS)
        self._fixed = (
            panels.numbers(),
            panels.table(),
            np.array(rows, dtype=np.int64),
            np.array([layer.activation.slope for layer in layers], dtype=np.float32),
            self.chunk,
        )
        self._kept = threading.local()

    @classmethod
    def pack(cls, module: nn.Module) -> FastMLP:
        """Pack an `nn.Sequential` (nested or not) or `caloforge.nn.MLP` as it is in evaluation; later changes of its
        weights are not seen. Raises CaloforgeError, naming the module, where one is not known."""
        return cls(_layers(module))

    def __call__(self, x: Any, out: Floats | None = None) -> Floats:
        """Outputs (N, outputs) of x (N, features), float32, written into `out` where given, else into a new array.

        x that is not contiguous is copied first. Raises CaloforgeError for another shape or precision.
        """
        x = checked("x", x, (self.features,))
        if out is None:
            out = np.empty((len(x), self.outputs), np.float32)
        else:
            check_out(out, (len(x), self.outputs))
        announced(perceptron)(x, out, *self._fixed, *self._workspace())
        return out

    def reusing(self, x: Any) -> Floats:
        """The same in memory that the next such call of this thread overwrites: large outputs cost no new pages."""
        kept = getattr(self._kept, "output", None)
        if kept is None or len(kept) < len(x):
            kept = self._kept.output = aligned((len(x), self.outputs))
        return self(x, kept[: len(x)])

    def _workspace(self) -> tuple[Floats, Floats, Floats]:
        """Memory of the calling thread for the activations of a chunk and for a tile of results."""
        kept: tuple[Floats, Floats, Floats] | None = getattr(self._kept, "workspace", None)
        if kept is None:
            shapes = (self.chunk, self._widest), (self.chunk, self._widest), (ROWS, WIDTH)
            kept = self._kept.workspace = (aligned(shapes[0]), aligned(shapes[1]), aligned(shapes[2]))
        return kept

    def __repr__(self) -> str:
        layers = self._fixed[2]
        widths = "x".join(str(width) for width in [self.features, *layers[:, 2].tolist()])
        return f"FastMLP({widths})"
