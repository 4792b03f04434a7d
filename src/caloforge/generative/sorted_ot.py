"""Optimal transport in one dimension: sorting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Batch
from caloforge.generative.coupling import Coupling


@dataclass(frozen=True)
class SortedOT(Coupling):
    """Exact optimal transport of single numbers: the k-th smallest noise goes to the k-th smallest data.

    That is the closed form for every convex cost (Santambrogio, Optimal Transport for Applied Mathematicians, 2.2).
    Samples (N, 1) or (N,); raises CaloforgeError where they hold more than one number.
    """

    def _order(self, noise: Tensor, data: Tensor, condition: Batch, rng: np.random.Generator) -> Tensor:
        z, x = noise.flatten(), data.flatten()
        if len(z) != len(noise) or len(x) != len(data):
            raise CaloforgeError(
                f"SortedOT couples one number per sample, not samples of shape {tuple(data.shape[1:])}; take ExactOT."
            )
        if not bool((z.isfinite() & x.isfinite()).all()):
            raise CaloforgeError("SortedOT found a value that is not finite; look for NaN in the data of the batch.")
        order = torch.empty(len(x), dtype=torch.int64, device=x.device)
        order[x.argsort(stable=True)] = z.argsort(stable=True)
        return order
