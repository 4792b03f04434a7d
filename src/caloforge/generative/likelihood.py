"""Training by maximum likelihood."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Batch, Density, Objective


class MaximumLikelihood(Objective):
    """Mean negative log-likelihood, in nats, of batches {"x": (N, ...)} with every other entry a condition."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if not isinstance(model, Density):
            raise CaloforgeError(
                f"{type(model).__name__} has no log_prob, which maximum likelihood needs; choose another objective."
            )
        self.model = model

    def forward(self, batch: Batch, turn: str, generator: torch.Generator) -> Mapping[str, Tensor]:
        """{"loss": mean of -log p(x | condition)}."""
        condition = {name: value for name, value in batch.items() if name != "x"}
        assert isinstance(self.model, Density)
        return {"loss": -self.model.log_prob(batch["x"], condition, generator=generator).mean()}
