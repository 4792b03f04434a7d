"""Normalisation by the root mean square (Zhang and Sennrich, arXiv:1910.07467), plain and modulated by a condition."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-6


def rms_norm(x: Tensor, epsilon: float = EPSILON) -> Tensor:
    """x (..., W) over the root of its mean square along the last axis, taken in float32 at least."""
    wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)).to(x.dtype)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """rms_norm(x) (1 + scale) + shift, for tokens x (N, T, W) and modulations (N, W)."""
    return torch.addcmul(shift[:, None].to(x.dtype), rms_norm(x), 1 + scale[:, None].to(x.dtype))


def gated_norm_plain(x: Tensor, y: Tensor, gate: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """total = x + gate y and modulated(total, shift, scale), for tokens (N, T, W) and modulations (N, W)."""
    total = torch.addcmul(x, gate[:, None].to(x.dtype), y.to(x.dtype))
    return total, modulated(total, shift, scale)


def split_heads_plain(joint: Tensor, scales: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (N, T, heads, d) of their joint product (N, T, 3 W).

    Queries and keys are normalised head by head and scaled by scales (2, d).
    """
    queries, keys, values = joint.view(*joint.shape[:2], 3, heads, -1).unbind(2)
    wide = scales.to(joint.dtype)
    return rms_norm(queries) * wide[0], rms_norm(keys) * wide[1], values
