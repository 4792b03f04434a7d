"""Our own kernels over packed weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from caloforge.errors import CaloforgeError
from caloforge.timing.checkpoint import ENERGY, Checkpoint
from caloforge.timing.runtime import Run, Runtime
from caloforge.timing.work import Floats, Work


class Fast(Runtime):
    """`FastMLP` for chains of dense layers, `FastShowers` for CaloFlow, `FastAutoencoder` for autoencoders of hits."""

    label = "caloforge fast"
    packages: ClassVar[tuple[str, ...]] = ("caloforge", "numba")
    flags = "packed weights, kernels compiled by numba, one thread"

    def environment(self, folder: Path, threads: int) -> dict[str, str]:
        """numpy's BLAS, which is loaded and not called, keeps no threads that spin."""
        return {"OPENBLAS_NUM_THREADS": str(threads)}

    def refuses(self, work: Work) -> str | None:
        """What neither of the two packs."""
        try:
            _packed(work)
        except CaloforgeError as error:
            return str(error)
        return None

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """Compile the kernels, which numba keeps on disk."""
        super().prepare(work, folder, threads)
        self.load(work, folder, threads)(work.draws(7), np.zeros((7, work.outputs), np.float32))

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """Weights packed once."""
        import torch

        torch.set_num_threads(threads)
        return _packed(work)


def _packed(work: Work) -> Run:
    from caloforge.deployment.fast import FastMLP, fast_showers

    if not isinstance(work, Checkpoint):
        packed = FastMLP.pack(work.module())

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            (x,) = inputs.values()
            return packed(x, out)

        return run
    showers = fast_showers(work.model())

    def generate(inputs: Mapping[str, Floats], out: Floats) -> Floats:
        noise = {name: value for name, value in inputs.items() if name != ENERGY}
        return showers.decode(noise, inputs[ENERGY][:, 0], out)

    return generate
