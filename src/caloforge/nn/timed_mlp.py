"""A multilayer perceptron that knows the time: the velocity field of small problems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError


class TimedMLP(nn.Module):
    """Dense layers with SiLU on x, on sines and cosines of the time, and on a context:
    (N, features), (N,), (N, context_features) -> (N, features).

    frequencies: the time t in [0, 1] enters as t and as sine and cosine of pi k t for k = 1, 2, 4, ... so many.
    """

    waves: Tensor

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (128, 128, 128),
        context_features: int = 0,
        frequencies: int = 4,
    ) -> None:
        super().__init__()
        self.context_features = context_features
        self.register_buffer("waves", math.pi * 2.0 ** torch.arange(frequencies), persistent=False)
        widths = [features + 1 + 2 * frequencies + context_features, *hidden]
        layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], features))

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        """Outputs (N, features) of x (N, features) at times t (N,), given a context (N, context_features)."""
        time = t[:, None]
        angles = time * self.waves.to(time.dtype)
        parts = [x, time, torch.sin(angles), torch.cos(angles)]
        if self.context_features:
            if context is None:
                raise CaloforgeError(
                    f"The network expects a context of {self.context_features} columns, but found none; give the"
                    " condition {'context': tensor}."
                )
            parts.append(context)
        return cast(Tensor, self.layers(torch.cat(parts, 1)))
