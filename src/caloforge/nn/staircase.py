"""Dense layers under a staircase mask: what the mask switches off is left out of the products, in blocks of rows.

With sorted degrees every output sees a prefix of the inputs that never shrinks from one output to the next. Cut into
steps, a step is a full product of the prefix that all of its rows share and a small masked one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

STEPS = 8
NARROWEST = 40
"""Inputs of a step at least; narrower products cost more than they save."""


def staircase(mask: Tensor) -> list[int] | None:
    """Steps of a mask (out, in): first row, row after the last, inputs that all rows see, inputs that any row sees, of
    every step in one list. None where the mask is no staircase or too narrow to be worth it."""
    outputs, inputs = mask.shape
    steps = min(STEPS, inputs // NARROWEST, outputs)
    if steps < 2:
        return None
    prefix = mask.sum(1).to(torch.int64)
    ordered = bool((prefix.diff() >= 0).all())
    if not ordered or not torch.equal(mask.bool(), torch.arange(inputs, device=mask.device) < prefix[:, None]):
        return None
    plan: list[int] = []
    for step in range(steps):
        begin, end = step * outputs // steps, (step + 1) * outputs // steps
        plan += [begin, end, int(prefix[begin]), int(prefix[end - 1])]
    return plan


def _quarters(plan: list[int]) -> list[tuple[int, int, int, int]]:
    return [(plan[i], plan[i + 1], plan[i + 2], plan[i + 3]) for i in range(0, len(plan), 4)]


@torch.library.custom_op("caloforge::staircase_linear", mutates_args=(), device_types="cpu")
def staircase_linear(x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, plan: list[int]) -> Tensor:
    """x (N, in) times the masked weight (out, in), plus bias: (N, out); `plan` is that of `staircase(mask)`."""
    out = x.new_empty(len(x), len(weight))
    for begin, end, full, seen in _quarters(plan):
        part = out[:, begin:end]
        torch.addmm(bias[begin:end], x[:, :full], weight[begin:end, :full].t(), out=part)
        if seen > full:
            part.addmm_(x[:, full:seen], (weight[begin:end, full:seen] * mask[begin:end, full:seen]).t())
    return out


@torch.library.custom_op("caloforge::staircase_gradients", mutates_args=(), device_types="cpu")
def _gradients(g: Tensor, x: Tensor, weight: Tensor, mask: Tensor, plan: list[int]) -> tuple[Tensor, Tensor]:
    """Gradients of x (N, in) and weight (out, in) from that of the output, g (N, out)."""
    gx, gw = torch.zeros_like(x), torch.zeros_like(weight)
    for begin, end, full, seen in _quarters(plan):
        part, corner = g[:, begin:end], mask[begin:end, full:seen]
        gx[:, :full].addmm_(part, weight[begin:end, :full])
        torch.mm(part.t(), x[:, :full], out=gw[begin:end, :full])
        if seen > full:
            gx[:, full:seen].addmm_(part, weight[begin:end, full:seen] * corner)
            torch.mul(part.t() @ x[:, full:seen], corner, out=gw[begin:end, full:seen])
    return gx, gw


@staircase_linear.register_fake
def _(x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    return x.new_empty(len(x), len(weight))


@_gradients.register_fake
def _(g: Tensor, x: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(weight)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, weight, _, mask, ctx.plan = inputs
    ctx.save_for_backward(x, weight, mask)


def _backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, mask = ctx.saved_tensors
    if torch.is_grad_enabled():  # second derivatives were asked for
        return g @ (weight * mask), (g.t() @ x) * mask, g.sum(0), None, None
    gx, gw = _gradients(g.contiguous(), x, weight, mask, ctx.plan)
    return gx, gw, g.sum(0), None, None


staircase_linear.register_autograd(_backward, setup_context=_remember)
