"""Programs of PyTorch itself: one of torch.export, and one of TorchScript for LibTorch where the batch is fixed."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caloforge.deployment.runtimes.base import Arrays, Call, Graph, Runtime

SCRIPT = "model.pt"


class TorchProgram(Runtime):
    """`model.pt2`, loaded by `torch.export.load`, and for a contract, whose batch is one, `model.pt`, loaded in C++ by
    LibTorch: TorchScript's tracer would keep a batch that may vary at the number it saw.

    Both take their inputs in the order of the names in `export.json`.
    """

    name = "torch"

    def write(self, graph: Graph, folder: Path) -> None:
        """Write `model.pt2`, and `model.pt` where the batch is fixed."""
        told = {"metadata.json": json.dumps(dict(graph.metadata))}
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.export.save(graph.program, folder / "model.pt2", extra_files=told)
            if not graph.dynamic:
                tracer: Any = torch.jit.trace
                script = tracer(graph.program.module(), tuple(graph.example.values()), check_trace=False)
                torch.jit.save(script, folder / SCRIPT, _extra_files=told)

    def open(self, folder: Path) -> Call:
        """The program; where there are two, numbers only where they agree."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            programs = [torch.export.load(folder / "model.pt2").module()]
            if (folder / SCRIPT).is_file():
                loader: Any = torch.jit.load
                programs.append(loader(folder / SCRIPT))

        def call(inputs: Arrays) -> list[NDArray[np.float32]]:
            tensors = [torch.from_numpy(np.ascontiguousarray(value)) for value in inputs.values()]
            with torch.no_grad():
                results = [_arrays(program(*tensors)) for program in programs]
            return [_agreed(a, b) for a, b in zip(results[0], results[-1], strict=True)]

        return call


def _arrays(result: torch.Tensor | tuple[torch.Tensor, ...]) -> list[NDArray[np.float32]]:
    return [part.numpy() for part in (result if isinstance(result, tuple) else (result,))]


def _agreed(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """The one that is worse for a comparison: no numbers where the two programs differ."""
    return a if np.allclose(a, b, rtol=1e-3, atol=1e-3 * float(np.abs(a).max(initial=0.0))) else np.full_like(a, np.nan)
