"""What stands between a transformer's products as two operators: kernels on a CPU in float32, plain torch elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caloforge.nn.compilation import announced
from caloforge.nn.fallback import gradients_in_plain_torch, kernels_fit
from caloforge.nn.rms_norm import EPSILON, gated_norm_plain, split_heads_plain


@torch.library.custom_op("caloforge::gated_norm", mutates_args=(), device_types="cpu")
def _gated_norm(x: Tensor, y: Tensor, gate: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x + gate y, its modulated norm, and 1 / root mean square (N, T)."""
    total, out = torch.empty_like(x), torch.empty_like(x)
    return total, out, _gated_norm_into(x, y, gate, shift, scale, total, out)


def _gated_norm_into(
    x: Tensor, y: Tensor, gate: Tensor, shift: Tensor, scale: Tensor, total: Tensor, out: Tensor
) -> Tensor:
    """The same into given tensors, which may be x and y themselves; gives 1 / root mean square."""
    from caloforge.nn.norm_kernel import gated_norm as kernel

    inverse = x.new_empty(x.shape[:2])
    given = _arrays(x, y, gate, shift, scale)
    announced(kernel)(*given, np.float32(EPSILON), *_arrays(total, out, inverse))
    return inverse


@torch.library.custom_op("caloforge::gated_norm_gradients", mutates_args=(), device_types="cpu")
def _gated_norm_gradients(
    g_total: Tensor, g_out: Tensor, total: Tensor, inverse: Tensor, y: Tensor, gate: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x, y, gate, shift and scale."""
    from caloforge.nn.norm_kernel import gated_norm_gradients as kernel

    g_x, g_y, g_gate = torch.empty_like(total), torch.empty_like(y), torch.zeros_like(gate)
    g_shift, g_scale = torch.zeros_like(scale), torch.zeros_like(scale)
    given = _arrays(g_total, g_out, total, inverse, y, gate, scale)
    announced(kernel)(*given, *_arrays(g_x, g_y, g_gate, g_shift, g_scale))
    return g_x, g_y, g_gate, g_shift, g_scale


@torch.library.custom_op("caloforge::split_heads", mutates_args=(), device_types="cpu")
def _split_heads(joint: Tensor, scales: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys and values (N, T, heads, d), and 1 / root mean square (N T, 2, heads)."""
    from caloforge.nn.norm_kernel import split_heads as kernel

    n, tokens, width = joint.shape[0], joint.shape[1], joint.shape[2] // 3
    queries, keys, values = (joint.new_empty(n, tokens, heads, width // heads) for _ in range(3))
    inverse = joint.new_empty(n * tokens, 2, heads)
    given = _arrays(joint.view(n * tokens, 3, heads, -1), scales)
    made = _arrays(*(part.flatten(0, 1) for part in (queries, keys, values)), inverse)
    announced(kernel)(*given, np.float32(EPSILON), *made)
    return queries, keys, values, inverse


@torch.library.custom_op("caloforge::split_heads_gradients", mutates_args=(), device_types="cpu")
def _split_heads_gradients(
    g_queries: Tensor, g_keys: Tensor, g_values: Tensor, joint: Tensor, scales: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of the joint product and of the scales."""
    from caloforge.nn.norm_kernel import split_heads_gradients as kernel

    g_joint, g_scales = torch.empty_like(joint), torch.zeros_like(scales)
    shape = (joint.shape[0] * joint.shape[1], 3, inverse.shape[2], -1)
    parts = [part.flatten(0, 1) for part in (g_queries, g_keys, g_values)]
    given = _arrays(*parts, joint.view(shape), scales, inverse)
    announced(kernel)(*given, *_arrays(g_joint.view(shape), g_scales))
    return g_joint, g_scales


def _arrays(*tensors: Tensor) -> list[NDArray[np.float32]]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


@_gated_norm.register_fake
def _(x: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(x), x.new_empty(x.shape[:2])


@_gated_norm_gradients.register_fake
def _(g_total: Tensor, g_out: Tensor, total: Tensor, inverse: Tensor, y: Tensor, gate: Tensor, scale: Tensor) -> Any:
    return tuple(torch.empty_like(like) for like in (total, y, gate, scale, scale))


@_split_heads.register_fake
def _(joint: Tensor, scales: Tensor, heads: int) -> Any:
    n, tokens, width = joint.shape[0], joint.shape[1], joint.shape[2] // 3
    parts = tuple(joint.new_empty(n, tokens, heads, width // heads) for _ in range(3))
    return *parts, joint.new_empty(n * tokens, 2, heads)


@_split_heads_gradients.register_fake
def _(g_queries: Tensor, g_keys: Tensor, g_values: Tensor, joint: Tensor, scales: Tensor, inverse: Tensor) -> Any:
    return torch.empty_like(joint), torch.empty_like(scales)


def _remember_norm(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs, output[0], output[2])


def _norm_backward(ctx: Any, g_total: Tensor, g_out: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    *inputs, total, inverse = ctx.saved_tensors
    if torch.is_grad_enabled():  # second derivatives were asked for
        return gradients_in_plain_torch(gated_norm_plain, inputs, (g_total, g_out))
    _, y, gate, _, scale = inputs
    return tuple(_gated_norm_gradients(g_total, g_out, total, inverse, y, gate, scale))


def _remember_heads(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    joint, scales, ctx.heads = inputs
    ctx.save_for_backward(joint, scales, output[3])


def _heads_backward(ctx: Any, g_queries: Tensor, g_keys: Tensor, g_values: Tensor, _: Any) -> tuple[Tensor | None, ...]:
    joint, scales, inverse = ctx.saved_tensors
    if torch.is_grad_enabled():
        gradients = (g_queries, g_keys, g_values)
        plain = partial(split_heads_plain, heads=ctx.heads)
        return *gradients_in_plain_torch(plain, (joint, scales), gradients), None
    return *_split_heads_gradients(g_queries, g_keys, g_values, joint, scales, inverse), None


_gated_norm.register_autograd(_norm_backward, setup_context=_remember_norm)
_split_heads.register_autograd(_heads_backward, setup_context=_remember_heads)


def gated_norm(x: Tensor, y: Tensor, gate: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The same as `gated_norm_plain`, in one pass over the tokens where the kernel applies.

    Where no gradient is asked for, the results may take the place of x and y.
    """
    if not kernels_fit(x, y, gate, shift, scale):
        return gated_norm_plain(x, y, gate, shift, scale)
    if torch.is_grad_enabled():
        total, out, _ = _gated_norm(x, y, gate, shift, scale)
        return total, out
    x, y = x.contiguous(), y.contiguous()
    _gated_norm_into(x, y, gate, shift, scale, x, y)
    return x, y


def split_heads(joint: Tensor, scales: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same as `split_heads_plain`, in one pass over the tokens where the kernel applies.

    Where no gradient is asked for, the results are views of the joint product, which is overwritten.
    """
    if not kernels_fit(joint, scales):
        return split_heads_plain(joint, scales, heads)
    if torch.is_grad_enabled():
        queries, keys, values, _ = _split_heads(joint, scales, heads)
        return queries, keys, values
    from caloforge.nn.norm_kernel import normalise_heads as kernel

    parts = joint.contiguous().view(*joint.shape[:2], 3, heads, -1)
    announced(kernel)(*_arrays(parts.flatten(0, 1), scales), np.float32(EPSILON))
    queries, keys, values = parts.unbind(2)
    return queries, keys, values
