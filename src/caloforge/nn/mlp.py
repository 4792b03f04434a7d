"""A plain multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn


class MLP(nn.Module):
    """Dense layers with ReLU and dropout between them: (..., features) -> (..., outputs)."""

    def __init__(self, features: int, hidden: Sequence[int], outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = features
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    @property
    def last(self) -> nn.Linear:
        """The layer that gives the outputs."""
        return cast(nn.Linear, self.layers[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (..., outputs) of x (..., features)."""
        return cast(Tensor, self.layers(x))
