"""The spline as one operator: the numba kernel on a CPU in float32, the plain torch version everywhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from caloforge.generative.spline import MAX_DERIVATIVE, spline_from_raw
from caloforge.nn.compilation import announced
from caloforge.nn.fallback import gradients_in_plain_torch, kernels_apply


@torch.library.custom_op("caloforge::spline", mutates_args=(), device_types="cpu")
def _spline(
    x: Tensor, raw: Tensor, inverse: bool, tail_bound: float, min_bin: float, min_derivative: float
) -> tuple[Tensor, Tensor]:
    """y and log |dy/dx| (M,) of x (M,) and raw (M, 3K-1), float32."""
    from caloforge.generative.spline_kernel import spline_values

    y, logabsdet = torch.empty_like(x), torch.empty_like(x)
    announced(spline_values)(
        x.detach().numpy(), raw.detach().numpy(), inverse, *_floats(tail_bound, min_bin, min_derivative),
        y.numpy(), logabsdet.numpy(),
    )  # fmt: skip
    return y, logabsdet


@torch.library.custom_op("caloforge::spline_gradient", mutates_args=(), device_types="cpu")
def _spline_gradient(
    x: Tensor,
    raw: Tensor,
    inverse: bool,
    tail_bound: float,
    min_bin: float,
    min_derivative: float,
    gy: Tensor,
    gl: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients of sum(gy y + gl logabsdet) with respect to x (M,) and raw (M, 3K-1)."""
    from caloforge.generative.spline_kernel import spline_gradients

    gx, graw = torch.empty_like(x), torch.empty_like(raw)
    announced(spline_gradients)(
        x.detach().numpy(), raw.detach().numpy(), inverse, *_floats(tail_bound, min_bin, min_derivative),
        gy.numpy(), gl.numpy(), gx.numpy(), graw.numpy(),
    )  # fmt: skip
    return gx, graw


@_spline.register_fake
def _(x: Tensor, raw: Tensor, *settings: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(x)


@_spline_gradient.register_fake
def _(x: Tensor, raw: Tensor, *settings: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(raw)


def _floats(tail_bound: float, min_bin: float, min_derivative: float) -> tuple[np.float32, ...]:
    return np.float32(tail_bound), np.float32(min_bin), np.float32(min_derivative), np.float32(MAX_DERIVATIVE)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, raw, *ctx.settings = inputs
    ctx.save_for_backward(x, raw)


def _backward(ctx: Any, gy: Tensor, gl: Tensor) -> tuple[Tensor | None, ...]:
    x, raw = ctx.saved_tensors
    if torch.is_grad_enabled():  # second derivatives were asked for
        plain = lambda x, raw: spline_from_raw(x, raw, *ctx.settings)  # noqa: E731
        return *gradients_in_plain_torch(plain, (x, raw), (gy, gl)), None, None, None, None
    gx, graw = _spline_gradient(x, raw, *ctx.settings, gy.contiguous(), gl.contiguous())
    return gx, graw, None, None, None, None


_spline.register_autograd(_backward, setup_context=_remember)


def fused_spline(
    x: Tensor,
    raw: Tensor,
    inverse: bool = False,
    tail_bound: float = 14.0,
    min_bin: float = 1e-6,
    min_derivative: float = 1e-6,
    need_logabsdet: bool = True,
) -> tuple[Tensor, Tensor]:
    """The same as `spline_from_raw`, by the kernel where it applies: float32 on a CPU, outside of compiled graphs.

    Raw parameters of less precision are taken to float32 first. Where the kernel lacks a precision or a device, this is
    said once. Second derivatives take plain torch.
    """
    if x.dtype == torch.float32 and raw.dtype in (torch.bfloat16, torch.float16):
        raw = raw.float()
    if not kernels_apply(x, raw):
        return spline_from_raw(x, raw, inverse, tail_bound, min_bin, min_derivative, need_logabsdet)
    flat, rows = x.reshape(-1).contiguous(), raw.reshape(-1, raw.shape[-1]).contiguous()
    y, logabsdet = _spline(flat, rows, inverse, tail_bound, min_bin, min_derivative)
    return y.view(x.shape), logabsdet.view(x.shape)
