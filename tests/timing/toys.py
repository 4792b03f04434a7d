"""Small runtimes, as another package would bring them by entry points: written into a folder for worker processes."""

from __future__ import annotations

from pathlib import Path

SOURCE = """
import os
import threading
import numpy as np
from caloforge.timing.runtime import ChainRuntime

class Right(ChainRuntime):
    label = "numpy"
    flags = "plain"
    def environment(self, folder, threads):
        return {"TOY_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    def load(self, work, folder, threads):
        assert os.environ["TOY_THREADS"] == str(threads) and "OPENBLAS_CORETYPE" not in os.environ
        layers = work.layers()
        def run(inputs, out):
            x = inputs["x"]
            for layer in layers:
                x = x @ layer.weight.T + layer.bias
                x = np.maximum(x, 0) if layer.activation == "relu" else 1 / (1 + np.exp(-x))
            out[:] = x
            return out
        return run

class Wrong(Right):
    label = "wrong"
    def load(self, work, folder, threads):
        run = super().load(work, folder, threads)
        return lambda inputs, out: run(inputs, out) + np.float32(0.1)

class Dies(Right):
    label = "dies"
    def load(self, work, folder, threads):
        print("the library says why", flush=True)
        os._exit(3)

class Refuses(Right):
    label = "refuses"
    def refuses(self, work):
        return "it knows no networks"

class Absent(Right):
    label = "absent"
    extra = "toys"
    modules = ("a_module_that_is_not_there",)
"""
NAMES = ("right", "wrong", "dies", "refuses", "absent")


def install(folder: Path) -> None:
    """Write the package and its entry points, as pip would."""
    (folder / "toy_runtimes.py").write_text(SOURCE, encoding="utf-8")
    about = folder / "toy_runtimes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-runtimes\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"toy-{name} = toy_runtimes:{name.capitalize()}" for name in NAMES]
    (about / "entry_points.txt").write_text("\n".join(["[caloforge.benchmark_runtimes]", *lines, ""]), encoding="utf-8")
