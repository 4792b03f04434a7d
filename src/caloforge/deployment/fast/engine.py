"""The engine of `caloforge generate --engine fast`: showers by packed weights and our own kernels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from caloforge.deployment.fast.autoencoder import FastAutoencoder
from caloforge.deployment.fast.showers import FastShowers
from caloforge.factors import State
from caloforge.generative.contracts import draw_noise
from caloforge.generative.flow_matching import OdeSettings
from caloforge.models.engine import Draw
from caloforge.models.shower_model import ShowerModel
from caloforge.threads import in_order


def fast_showers(model: ShowerModel) -> FastShowers | FastAutoencoder:
    """Pack a CaloFlow or an autoencoder of hits. Raises CaloforgeError for other models, saying what to do."""
    return FastAutoencoder.of(model) if set(model.factors) == {"shower"} else FastShowers.of(model)


class FastEngine:
    """`FastShowers` and `FastAutoencoder` as an engine of `caloforge.models.generate`: the same noise as PyTorch's, and
    the same showers up to the rounding of float32.

    Several threads share a batch in whole chunks, so their number does not change a bit.
    """

    name = "fast"

    def draw(self, model: ShowerModel, sampler: OdeSettings | None, threads: int) -> Draw:
        """Pack the model; threads: how many work at once. Raises CaloforgeError for models that cannot be packed."""
        packed, declared = fast_showers(model), model.noise()

        def showers(energy_mev: Tensor, generator: torch.Generator) -> State:
            n = len(energy_mev)
            noise = draw_noise(declared, n, generator)
            deposits = np.empty((n, packed.n_voxels), np.float32)
            share = packed.chunk * -(-n // (packed.chunk * threads))

            def part(first: int) -> torch.Tensor:
                rows = slice(first, first + share)
                found = packed.generate({k: v[rows] for k, v in noise.items()}, energy_mev[rows], deposits[rows])
                return torch.from_numpy(found.mismatch)

            firsts = range(0, n, share)
            mismatch = torch.cat(list(in_order(part, firsts, min(threads, len(firsts)))))
            return {"deposits_mev": torch.from_numpy(deposits), "mismatch": mismatch}

        return showers
