"""Keras 3 in the three ways in which a model is called."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from caloforge.timing.runtime import ChainRuntime, Run
from caloforge.timing.work import Floats, Work


def backend() -> str:
    """The backend: what KERAS_BACKEND says, else the first of tensorflow, jax and torch that is installed."""
    found = [name for name in ("tensorflow", "jax", "torch") if find_spec(name) is not None]
    return os.environ.get("KERAS_BACKEND") or found[0]


class Keras(ChainRuntime):
    """`model(x)`, every operation by itself."""

    label = "Keras call"
    extra = "keras"
    modules: ClassVar[tuple[str, ...]] = ("keras",)
    packages: ClassVar[tuple[str, ...]] = ("keras", "tensorflow", "jax", "torch")
    flags = "model(x)"

    def environment(self, folder: Path, threads: int) -> dict[str, str]:
        """The backend, and the threads of each backend."""
        text = str(threads)
        return {
            "KERAS_BACKEND": backend(), "OMP_NUM_THREADS": text, "NPROC": text, "JAX_PLATFORMS": "cpu",
            "TF_NUM_INTRAOP_THREADS": text, "TF_NUM_INTEROP_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip

    def versions(self) -> dict[str, str]:
        """Keras and its backend."""
        found = super().versions()
        return {"keras": found["keras"], "backend": f"{backend()} {found[backend()]}"}

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """A Sequential of Dense layers."""
        import keras

        if keras.backend.backend() == "torch":
            import torch

            torch.set_num_threads(threads)
            torch.set_grad_enabled(False)
        layers = work.layers()
        assert layers is not None
        laws = {"identity": "linear"}
        dense = [
            keras.layers.Dense(len(layer.bias), activation=laws.get(layer.activation, layer.activation))
            for layer in layers
        ]
        model = keras.Sequential([keras.Input((layers[0].weight.shape[1],)), *dense])
        model.set_weights([part for layer in layers for part in (layer.weight.T, layer.bias)])

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            (x,) = inputs.values()
            return self.call(model, x)

        return run

    def call(self, model: Any, x: Floats) -> Floats:
        """One call of the model."""
        return np.asarray(model(x))


class KerasOnBatch(Keras):
    """`model.predict_on_batch(x)`, one compiled function."""

    label = "Keras predict_on_batch"
    flags = "predict_on_batch"

    def call(self, model: Any, x: Floats) -> Floats:
        """One call of the model."""
        return np.asarray(model.predict_on_batch(x))


class KerasPredict(Keras):
    """`model.predict(x)`, with its own loop over batches."""

    label = "Keras predict"
    flags = "predict, batch_size as called, verbose=0"

    def call(self, model: Any, x: Floats) -> Floats:
        """One call of the model."""
        return np.asarray(model.predict(x, batch_size=len(x), verbose=0))
