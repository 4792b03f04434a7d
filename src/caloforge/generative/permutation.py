"""Fixed permutations of features between the blocks of a flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError

Scheme = Literal["alternating", "reversal", "random", "none"]


class Permutation(nn.Module):
    """Reorders the last axis: y[..., j] = x[..., indices[j]]; saved with the weights.

    Raises CaloforgeError where the indices (D,) are no permutation.
    """

    indices: Tensor
    back: Tensor

    def __init__(self, indices: Tensor) -> None:
        super().__init__()
        if indices.dim() != 1 or not torch.equal(indices.sort().values, torch.arange(len(indices))):
            raise CaloforgeError(
                f"An order of {indices.numel()} features must hold each of 0 to {indices.numel() - 1} once, but"
                f" {indices.tolist() if indices.numel() < 20 else 'another list'} was found; pass a permutation."
            )
        self.register_buffer("indices", indices.to(torch.int64))
        self.register_buffer("back", torch.argsort(indices).to(torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Permuted x."""
        return x.index_select(-1, self.indices)

    def inverse(self, y: Tensor) -> Tensor:
        """What was permuted, in its first order."""
        return y.index_select(-1, self.back)


def permutations(
    features: int, blocks: int, scheme: Scheme = "alternating", seed: int = 0, groups: Sequence[int] | None = None
) -> list[Tensor]:
    """Permutation before each block: the identity before the first, then by scheme.

    "alternating" takes reversal and a seeded random permutation in turns. `groups` are sizes that add up to
    `features` (a detector's layers): random permutations then stay within each group. Raises CaloforgeError for
    sizes that do not add up and for an unknown scheme.
    """
    sizes = [features] if groups is None else list(groups)
    if sum(sizes) != features or min(sizes) < 1:
        raise CaloforgeError(
            f"The permutation groups {sizes} must be positive and add up to {features} features; correct the recipe."
        )
    if scheme not in ("alternating", "reversal", "random", "none"):
        raise CaloforgeError(
            f"The permutation scheme is '{scheme}'; give 'alternating', 'reversal', 'random' or 'none'."
        )
    generator = torch.Generator().manual_seed(seed)
    result = [torch.arange(features)]
    for number in range(1, blocks):
        if scheme == "none":
            result.append(torch.arange(features))
        elif scheme == "reversal" or (scheme == "alternating" and number % 2 == 1):
            result.append(torch.arange(features).flip(0))
        else:
            parts, start = [], 0
            for size in sizes:
                parts.append(start + torch.randperm(size, generator=generator))
                start += size
            result.append(torch.cat(parts))
    return result[:blocks]
