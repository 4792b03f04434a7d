"""JAX: the dense layers under jit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from caloforge.timing.runtime import ChainRuntime, Run
from caloforge.timing.work import Floats, Work


class Jax(ChainRuntime):
    """One jitted function, compiled anew for each batch size."""

    label = "JAX"
    extra = "jax"
    modules: ClassVar[tuple[str, ...]] = ("jax",)
    packages: ClassVar[tuple[str, ...]] = ("jax", "jaxlib")
    flags = "jit, NPROC=threads"

    def environment(self, folder: Path, threads: int) -> dict[str, str]:
        """The number of cores that XLA believes in: its own options for one thread are not obeyed."""
        return {"NPROC": str(threads), "JAX_PLATFORMS": "cpu"}

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """The jitted function."""
        import jax
        import jax.numpy as jnp

        layers = work.layers()
        assert layers is not None
        laws: dict[str, Callable[[Any], Any]] = {
            "relu": jax.nn.relu,
            "sigmoid": jax.nn.sigmoid,
            "identity": lambda x: x,
        }
        weights = [(jnp.asarray(np.ascontiguousarray(layer.weight.T)), jnp.asarray(layer.bias)) for layer in layers]

        def decode(weights: Any, x: Any) -> Any:
            for (weight, bias), layer in zip(weights, layers, strict=True):
                x = laws[layer.activation](x @ weight + bias)
            return x

        jitted = jax.jit(decode)

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            (x,) = inputs.values()
            return np.asarray(jitted(weights, x))

        return run
