"""Self-attention with normalised queries and keys (Henry et al., arXiv:2010.04245)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caloforge.errors import CaloforgeError
from caloforge.nn.fused_norm import split_heads


class SelfAttention(nn.Module):
    """Every token sees every other: (N, T, width) -> (N, T, width).

    Queries and keys are normalised by their root mean square and scaled by learned weights, which bounds the logits
    and keeps training in bfloat16 stable. Raises CaloforgeError where `heads` does not divide `width`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            fitting = [n for n in range(1, width + 1) if width % n == 0 and n <= 4 * max(heads, 1)]
            raise CaloforgeError(f"heads is {heads}, which does not divide width {width}; give one of {fitting}.")
        self.width, self.heads = width, heads
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.scales = nn.Parameter(torch.ones(2, width // heads))
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attended tokens (N, T, width) of x (N, T, width)."""
        parts = split_heads(self.queries_keys_values(x), self.scales, self.heads)
        queries, keys, values = (part.transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(queries, keys, values)
        out: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return out
