"""What is timed: a network with named inputs, kept in a folder from which every process takes it up."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from caloforge.randomness import numpy_generator

if TYPE_CHECKING:
    from torch import nn

Floats = NDArray[np.float32]
DOCUMENT, REFERENCE = "work.json", "reference.npy"


class Dense(NamedTuple):
    """One dense layer: weight (out, in), bias (out,) and `relu`, `sigmoid` or `identity` after it."""

    weight: Floats
    bias: Floats
    activation: str


class Draw(NamedTuple):
    """One input: its shape without the batch, and its law: `normal`, `uniform`, or `log` between two numbers."""

    shape: tuple[int, ...]
    law: str = "normal"
    low: float = 0.0
    high: float = 1.0


class Product(NamedTuple):
    """One matrix product (rows of one shower, inputs) x (inputs, outputs)."""

    rows: int
    inputs: int
    outputs: int


class Work(ABC):
    """A network, its inputs and what PyTorch says to them; in a folder, so that processes share it.

    `tolerance` is how far another runtime's outputs may lie from PyTorch's, relative to a shower's largest output.
    """

    kind: str
    name: str
    inputs: Mapping[str, Draw]
    outputs: int
    tolerance: float
    products: Sequence[Product]
    training_seconds: float | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def module(self) -> nn.Module:
        """The network in PyTorch: the inputs in their order, batch first -> (N, outputs)."""

    def eager(self) -> nn.Module:
        """The network as PyTorch runs it without any export; `module` unless there is a faster form."""
        return self.module()

    def trusted(self) -> nn.Module:
        """What the other runtimes are compared with; `module` unless that cannot be made."""
        return self.module()

    def layers(self) -> list[Dense] | None:
        """The dense layers, where the network is a chain of them and nothing else."""
        return None

    def draws(self, n: int) -> dict[str, Floats]:
        """The inputs of n showers; those of fewer showers are their first rows."""
        return {name: _draw(name, draw, n) for name, draw in self.inputs.items()}

    def reference(self, n: int) -> Floats:
        """PyTorch's outputs (n, outputs) for the first n showers."""
        found: Floats = np.load(self.folder / REFERENCE, mmap_mode="r")
        return found[:n]


def _draw(name: str, draw: Draw, n: int) -> Floats:
    generator = numpy_generator(0, f"benchmark:{name}")
    shape = (n, *draw.shape)
    if draw.law == "normal":
        return generator.standard_normal(shape, dtype=np.float32)
    uniform = generator.random(shape, dtype=np.float32)
    if draw.law == "uniform":
        return uniform
    spread = np.exp(np.log(draw.low) + uniform * np.log(draw.high / draw.low))
    within: Floats = np.clip(spread, draw.low, draw.high).astype(np.float32)
    return within


def open_work(folder: Path) -> Work:
    """The work that lies in a folder."""
    document: dict[str, Any] = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    if document["kind"] == "decoder":
        from caloforge.timing.decoder import Decoder

        return Decoder(folder, document["widths"])
    from caloforge.timing.checkpoint import Checkpoint

    return Checkpoint(folder, document)


def create_work(folder: Path, document: Mapping[str, Any], showers: int) -> Work:
    """Write the work of a document into its folder, with PyTorch's outputs for so many showers."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    if document["kind"] == "checkpoint":
        from caloforge.timing.checkpoint import described

        document = described(document)
    (folder / DOCUMENT).write_text(json.dumps(document), encoding="utf-8")
    work = open_work(folder)
    inputs, module = work.draws(showers), work.trusted()
    stored = np.lib.format.open_memmap(folder / REFERENCE, mode="w+", dtype=np.float32, shape=(showers, work.outputs))
    with torch.inference_mode():
        for first in range(0, showers, 500):
            rows = slice(first, first + 500)
            stored[rows] = module(*(torch.from_numpy(value[rows]) for value in inputs.values())).numpy()
    stored.flush()
    return work
