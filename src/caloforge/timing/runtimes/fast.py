"""Our own kernels over packed weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from caloforge.timing.runtime import Run, Runtime
from caloforge.timing.work import Floats, Work


class Fast(Runtime):
    """`FastMLP` for chains of dense layers."""

    label = "caloforge fast"
    packages: ClassVar[tuple[str, ...]] = ("caloforge", "numba")
    flags = "packed weights, kernels compiled by numba, one thread"

    def refuses(self, work: Work) -> str | None:
        """What neither of the two packs."""
        return None if work.layers() is not None else "FastMLP packs chains of dense layers only"

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """Compile the kernels, which numba keeps on disk."""
        super().prepare(work, folder, threads)
        self.load(work, folder, threads)(work.draws(7), work.reference(7).copy())

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """Weights packed once."""
        import torch

        from caloforge.deployment.fast import FastMLP

        torch.set_num_threads(threads)
        packed = FastMLP.pack(work.module())

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            (x,) = inputs.values()
            return packed(x, out)

        return run
