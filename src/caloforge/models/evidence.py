"""What a recipe says about training by the evidence bound."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from caloforge.generative.vae import EvidenceBound


class BoundSection(BaseModel):
    """Weight of the divergence of the posterior from the prior: the settings of `EvidenceBound`.

    beta: the full weight. warm_up: training steps in which it rises to that from 0. free_nats: nats that each latent
    number may cost before it counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    beta: float = Field(default=1.0, ge=0)
    warm_up: int = Field(default=0, ge=0)
    free_nats: float = Field(default=0.0, ge=0)

    def objective(self, model: nn.Module) -> EvidenceBound:
        """The objective that trains the model; raises CaloforgeError where it is no VAE."""
        return EvidenceBound(model, self.beta, self.warm_up, self.free_nats)
