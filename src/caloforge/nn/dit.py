"""A diffusion transformer over patches of voxels (DiT, Peebles and Xie, arXiv:2212.09748)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caloforge.errors import CaloforgeError
from caloforge.nn.attention import SelfAttention
from caloforge.nn.fused_norm import gated_norm
from caloforge.nn.patches import PatchEmbedding, PatchLayout, PatchOutput
from caloforge.nn.position import encode_positions, encode_time, time_frequencies
from caloforge.nn.rms_norm import modulated

TIME_FREQUENCIES = 64
POSITION_FREQUENCIES = 16


class Block(nn.Module):
    """One block of the transformer: its attention and its perceptron, each (N, T, W) -> (N, T, W).

    Neither has biases: the shifts that come before them do what biases would, and depend on the condition.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        hidden = round(mlp_ratio * width)
        self.attention = SelfAttention(width, heads)
        self.up, self.down = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def perceptron(self, x: Tensor) -> Tensor:
        """Each token by itself."""
        hidden = self.up(x)
        free = not torch.is_grad_enabled() and not torch.compiler.is_compiling()
        return cast(Tensor, self.down(torch.ops.aten.gelu_(hidden) if free else F.gelu(hidden)))


class DiT(nn.Module):
    """Velocity of voxels: network(x (N, D), t (N,), context (N, C) or None) -> (N, D).

    patches: which voxels form which token. width, depth, heads, mlp_ratio: of the transformer. context_features: C.
    condition_width: of the vector that time and context become.
    Time and context condition every block by shifts, scales and gates (adaLN-zero), made for all blocks in one
    product. A new network gives zero for every input. Raises CaloforgeError for sizes that cannot be used.

    >>> layout = PatchLayout((((0, 1), (2, 3)),), ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
    >>> network = DiT(layout, width=8, depth=1, heads=2, context_features=1)
    >>> network(torch.zeros(5, 4), torch.zeros(5), torch.zeros(5, 1)).shape
    torch.Size([5, 4])
    """

    position_features: Tensor
    frequencies: Tensor

    def __init__(
        self,
        patches: PatchLayout,
        width: int = 480,
        depth: int = 6,
        heads: int = 6,
        context_features: int = 0,
        mlp_ratio: float = 4.0,
        condition_width: int = 128,
    ) -> None:
        super().__init__()
        if min(width, depth, condition_width) < 1 or mlp_ratio * width < 1 or context_features < 0:
            raise CaloforgeError(
                f"The DiT has width={width}, depth={depth}, mlp_ratio={mlp_ratio}, context_features={context_features},"
                f" condition_width={condition_width}; context_features may be zero, all others must be positive."
            )
        self.patches, self.width, self.depth, self.context_features = patches, width, depth, context_features
        self.embedding = PatchEmbedding(patches, width)
        features = encode_positions(patches.positions, patches.periodic, POSITION_FREQUENCIES)
        self.register_buffer("position_features", features, persistent=False)
        self.position = nn.Linear(features.shape[1], width, bias=False)
        self.register_buffer("frequencies", time_frequencies(TIME_FREQUENCIES), persistent=False)
        self.time = _two_layers(2 * TIME_FREQUENCIES, condition_width)
        self.context = _two_layers(context_features, condition_width) if context_features else None
        self.modulation = nn.Linear(condition_width, (6 * depth + 2) * width)
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio) for _ in range(depth))
        self.output = PatchOutput(patches, width)
        for layer in (self.modulation.weight, self.modulation.bias):
            nn.init.zeros_(layer)

    def modulations(self, t: Tensor, context: Tensor | None) -> Tensor:
        """Shift and scale of the first norm, then gate, shift and scale of every further one: (6 depth + 2, N, width).

        They depend on time and context alone.
        """
        vector = self.time(encode_time(t, self.frequencies))
        if self.context is not None:
            if context is None or context.shape[-1] != self.context_features:
                found = "none" if context is None else f"one with {context.shape[-1]} features"
                raise CaloforgeError(
                    f"The condition 'context' must have {self.context_features} features, but {found} was found; pass"
                    " {'context': tensor of shape (N, features)}."
                )
            vector = vector + self.context(context)
        joint: Tensor = self.modulation(F.silu(vector))
        return joint.view(joint.shape[0], -1, self.width).transpose(0, 1).contiguous()

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        """Velocities (N, D) at voxels x (N, D), times t (N,) and context (N, C)."""
        shift, scale, *rest = self.modulations(t, context).unbind(0)
        total = self.embedding(x) + self.position(self.position_features)
        out = modulated(total, shift, scale)
        for number, block in enumerate(self.blocks):
            block = cast(Block, block)
            total, out = gated_norm(total, block.attention(out), *rest[6 * number : 6 * number + 3])
            total, out = gated_norm(total, block.perceptron(out), *rest[6 * number + 3 : 6 * number + 6])
        return cast(Tensor, self.output(out))


def _two_layers(features: int, width: int) -> nn.Sequential:
    """Features to a part of the conditioning vector."""
    return nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))
