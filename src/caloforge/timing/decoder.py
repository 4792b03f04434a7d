"""A decoder MLP with random weights: LATENTxHIDDENx...xOUT, ReLU between the layers and a sigmoid at the end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import CaloforgeError
from caloforge.randomness import numpy_generator
from caloforge.timing.work import Dense, Draw, Product, Work

if TYPE_CHECKING:
    from torch import nn

EXAMPLE = "10x50x100x200x504"
_LARGEST = 1_000_000


def parse_widths(text: str) -> list[int]:
    """Widths of '10x50x100x200x504'; raises CaloforgeError where there are fewer than two or one is no number."""
    parts = text.lower().split("x")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and 1 <= int(part) <= _LARGEST for part in parts):
        raise CaloforgeError(
            f"--decoder is '{text}', expected widths of at least one, from the latent size to the outputs, with x "
            f"between them, for example {EXAMPLE}."
        )
    return [int(part) for part in parts]


class Decoder(Work):
    """The decoder of given widths; weights are normal and scaled to keep the size of the activations."""

    kind = "decoder"
    tolerance = 1e-4

    def __init__(self, folder: Path, widths: Sequence[int]) -> None:
        super().__init__(folder)
        self.widths = list(widths)
        self.name = "x".join(str(width) for width in widths)
        self.inputs = {"x": Draw((widths[0],))}
        self.outputs = widths[-1]
        self.products = [Product(1, *pair) for pair in pairwise(widths)]

    def layers(self) -> list[Dense]:
        """The dense layers, the same in every process."""
        generator = numpy_generator(0, "benchmark:decoder")
        layers = []
        for inputs, outputs in pairwise(self.widths):
            weight = generator.standard_normal((outputs, inputs), dtype=np.float32) * np.float32((2 / inputs) ** 0.5)
            bias = generator.standard_normal(outputs, dtype=np.float32) * np.float32(0.1)
            layers.append(Dense(weight, bias, "relu"))
        layers[-1] = layers[-1]._replace(activation="sigmoid")
        return layers

    def module(self) -> nn.Module:
        """An `nn.Sequential` of Linear, ReLU and Sigmoid."""
        import torch
        from torch import nn

        parts: list[nn.Module] = []
        for layer in self.layers():
            linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(layer.weight))
                linear.bias.copy_(torch.from_numpy(layer.bias))
            parts += [linear, nn.Sigmoid() if layer.activation == "sigmoid" else nn.ReLU()]
        return nn.Sequential(*parts).eval()
