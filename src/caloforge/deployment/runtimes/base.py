"""What a runtime must be able to do for a model to be exported to it."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from caloforge.deployment.lack import Lack
from caloforge.deployment.onnx_file import onnx_model
from caloforge.deployment.onnx_graph import OPSET, trace
from caloforge.errors import CaloforgeError

Arrays = Mapping[str, NDArray[np.float32]]
Call = Callable[[Arrays], list[NDArray[np.float32]]]


@dataclass(frozen=True)
class Graph:
    """A module to be exported: called as module(*example.values()), with results named `outputs`.

    example: inputs by name, batch first. dynamic: any number of showers, else that of the example. precision: of the
    stored weights of products, whose values in the module have that precision already. opset: of ONNX.
    version: of the runtime that must take it, as in `--target`; None for the one at hand.
    """

    module: nn.Module
    example: Mapping[str, Tensor]
    outputs: tuple[str, ...] = ("deposits_mev",)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    dynamic: bool = True
    precision: str = "float32"
    opset: int = OPSET
    version: str | None = None

    @cached_property
    def program(self) -> torch.export.ExportedProgram:
        """The module traced by PyTorch."""
        return trace(self.module, self.example, dynamic=self.dynamic)

    @cached_property
    def onnx(self) -> Any:
        """The module as onnx.ModelProto."""
        return onnx_model(
            self.module, self.example, self.outputs, opset=self.opset, metadata=self.metadata, dynamic=self.dynamic,
            precision=self.precision,
        )  # fmt: skip


class Runtime(ABC):
    """A runtime: what it needs, what it lacks, how a graph becomes its files, and how these are run.

    name: as in `--to`. extra: of caloforge's installation. packages: that must be importable. precisions: of weights as
    they are stored. computes: of these, in which the runtime computes; its weights stay in float32.
    """

    name: ClassVar[str]
    extra: ClassVar[str | None] = None
    packages: ClassVar[Sequence[str]] = ()
    precisions: ClassVar[Sequence[str]] = ("float32",)
    computes: ClassVar[Sequence[str]] = ("float32",)

    def needs(self) -> Sequence[str]:
        """Packages that must be importable here."""
        return self.packages

    def require(self) -> None:
        """Raise CaloforgeError, naming the extra, where a package is missing."""
        missing = [package for package in self.needs() if importlib.util.find_spec(package) is None]
        if missing:
            raise CaloforgeError(
                f"--to {self.name} needs {', '.join(missing)}, which is not installed; pip install "
                f"'caloforge[{self.extra}]'."
            )

    def require_precision(self, precision: str) -> None:
        """Raise CaloforgeError for a precision that the runtime does not have here."""
        known = dict.fromkeys((*self.precisions, *self.computes))
        if precision not in known:
            raise CaloforgeError(
                f"--precision {precision} is not known to --to {self.name}; give one of {', '.join(known)}."
            )

    def opset(self, version: str | None) -> int:
        """The opset of ONNX to write for a version of the runtime; raises CaloforgeError where none can be written."""
        if version is not None:
            raise CaloforgeError(f"--target knows no versions of {self.name}; leave it out.")
        return OPSET

    def lacking(self, graph: Graph) -> list[Lack]:
        """Every node that the runtime, or the graph's `version` of it, lacks; none by default."""
        return []

    def facts(self, graph: Graph) -> dict[str, Any]:
        """What `export.json` says of the graph in this runtime beyond the model's own metadata; nothing by default."""
        return {}

    @abstractmethod
    def write(self, graph: Graph, folder: Path) -> None:
        """Write the graph's files into a folder that exists."""

    @abstractmethod
    def open(self, folder: Path) -> Call:
        """The files in a folder ready to run on one core: inputs by name to results in their order."""
