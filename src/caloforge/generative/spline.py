"""Monotone rational-quadratic splines with linear tails (Durkan et al., arXiv:1906.04032), safe in float32."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from caloforge.errors import CaloforgeError

MAX_DERIVATIVE = 1e6
"""Largest slope at a knot; larger ones are cut, so that any finite parameter gives finite results."""


class Knots(NamedTuple):
    """The normalised spline: x and y of its K+1 knots and the slope at each, every one (..., K+1)."""

    x: Tensor
    y: Tensor
    slope: Tensor


def _positions(raw: Tensor, tail_bound: float, min_bin: float) -> Tensor:
    """Knots (..., K+1) on [-tail_bound, tail_bound] from raw bin sizes (..., K), as softmax with a floor."""
    bins = raw.shape[-1]
    span = 2 * tail_bound
    step = torch.arange(1, bins, dtype=raw.dtype, device=raw.device) * (span * min_bin)
    inner = torch.softmax(raw, -1).cumsum(-1)[..., :-1] * (span * (1 - bins * min_bin)) + (step - tail_bound)
    inner = torch.minimum(inner, tail_bound - step.flip(0))
    return F.pad(F.pad(inner, (1, 0), value=-tail_bound), (0, 1), value=tail_bound)


def _check(parameters: int, min_bin: float) -> int:
    bins = (parameters + 1) // 3
    if parameters < 2 or 3 * bins - 1 != parameters:
        raise CaloforgeError(
            f"A spline of K bins needs 3K-1 parameters, but {parameters} were found; correct the shape."
        )
    if not 0 < min_bin * bins < 1:
        raise CaloforgeError(
            f"min_bin={min_bin} leaves no room for {bins} bins; choose one between 0 and {1 / bins:g}."
        )
    return bins


def _two(raw: Tensor, bins: int) -> Tensor:
    """Raw widths and heights together, (..., 2, K)."""
    return torch.stack([raw[..., :bins], raw[..., bins : 2 * bins]], -2)


def _slopes(raw: Tensor, min_derivative: float) -> Tensor:
    inner = (F.softplus(raw) + min_derivative).clamp(max=MAX_DERIVATIVE)
    return F.pad(inner, (1, 1), value=1.0)


def normalise(raw: Tensor, tail_bound: float, min_bin: float = 1e-6, min_derivative: float = 1e-6) -> Knots:
    """The knots that raw parameters (..., 3K-1) mean: K widths, K heights, K-1 inner slopes, as nflows orders them.

    Raises CaloforgeError where the number of parameters is not 3K-1 or the bins do not fit.
    """
    bins = _check(raw.shape[-1], min_bin)
    both = _positions(_two(raw, bins), tail_bound, min_bin)
    return Knots(both[..., 0, :], both[..., 1, :], _slopes(raw[..., 2 * bins :], min_derivative))


def _solve(xi: Tensor, delta: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    """Position in the bin, [0, 1], where the spline has risen by the fraction xi: the root without cancellation."""
    total = xi * (d0 + d1 - 2 * delta)
    a, b, c = total + delta - d0, d0 - total, delta * xi
    root = (b * b + 4 * a * c).clamp(min=0).sqrt()
    q = b.abs() + root
    small = torch.finfo(q.dtype).tiny
    return torch.where(b >= 0, 2 * c / q.clamp(min=small), q / (2 * a).clamp(min=small)).clamp(0, 1)


def spline_from_raw(
    x: Tensor,
    raw: Tensor,
    inverse: bool = False,
    tail_bound: float = 14.0,
    min_bin: float = 1e-6,
    min_derivative: float = 1e-6,
    need_logabsdet: bool = True,
) -> tuple[Tensor, Tensor]:
    """The spline of raw parameters (..., 3K-1) at x (...): y and log |dy/dx|, both (...) (see the function below).

    Where `need_logabsdet` is false, the second result is an empty tensor. The inverse finishes in float64 (where the
    device has it) with one Newton step; this step alone carries its gradients, which are right to first order.
    """
    bins = _check(raw.shape[-1], min_bin)
    raw = raw.to(torch.promote_types(torch.promote_types(raw.dtype, x.dtype), torch.float32))
    both = _positions(_two(raw, bins), tail_bound, min_bin)
    slope = _slopes(raw[..., 2 * bins :], min_derivative)
    inside = x.abs() <= tail_bound
    at = x.clamp(-tail_bound, tail_bound)
    index = (at[..., None] >= both[..., int(inverse), 1:-1]).sum(-1, keepdim=True)
    pair = torch.cat([index, index + 1], -1)
    ends = both.gather(-1, pair[..., None, :].expand(*pair.shape[:-1], 2, 2))
    slopes = slope.gather(-1, pair)
    if inverse and x.device.type != "mps":
        ends, slopes, at = ends.double(), slopes.double(), at.double()
    start, size = ends[..., 0], ends[..., 1] - ends[..., 0]
    (x0, y0), (width, height) = start.unbind(-1), size.unbind(-1)
    d0, d1 = slopes.unbind(-1)
    delta = height / width
    if inverse:
        xi = (at - y0) / height
        with torch.no_grad():
            theta = _solve(xi, delta, d0, d1)
        rest, cross = 1 - theta, theta * (1 - theta)
        denominator = delta * (1 - 2 * cross) + (d0 + d1) * cross
        risen = (delta * theta * theta + d0 * cross) / denominator
        rise = delta * (d1 * theta * theta + 2 * delta * cross + d0 * rest * rest) / (denominator * denominator)
        theta = (theta - (risen - xi) / rise).clamp(0, 1)
        y = x0 + theta * width
    else:
        theta = ((at - x0) / width).clamp(0, 1)
        cross = theta * (1 - theta)
        denominator = delta * (1 - 2 * cross) + (d0 + d1) * cross
        y = y0 + height * ((delta * theta * theta + d0 * cross) / denominator)
    y = torch.where(inside, y.to(x.dtype).clamp(-tail_bound, tail_bound), x)
    if not need_logabsdet:
        return y, x.new_empty(0)
    rest, cross = 1 - theta, theta * (1 - theta)
    denominator = delta * (1 - 2 * cross) + (d0 + d1) * cross
    logabsdet = 2 * (delta / denominator).log() + (d1 * theta * theta + 2 * delta * cross + d0 * rest * rest).log()
    logabsdet = torch.where(inside, logabsdet.to(x.dtype), torch.zeros_like(x))
    return y, -logabsdet if inverse else logabsdet


def rational_quadratic_spline(
    x: Tensor,
    widths: Tensor,
    heights: Tensor,
    derivatives: Tensor,
    inverse: bool = False,
    tail_bound: float = 14.0,
    min_bin: float = 1e-6,
    min_derivative: float = 1e-6,
) -> tuple[Tensor, Tensor]:
    """A monotone spline on [-tail_bound, tail_bound], the identity outside: y and log |dy/dx|, both of x's shape.

    Raw widths and heights (..., K) become bins by a softmax with floor `min_bin` (fraction of the interval), raw
    derivatives (..., K-1) slopes at inner knots by softplus + `min_derivative`; the slope at the ends is 1. This is
    the parametrisation of nflows. Finite for |x| <= 1e4 and any finite parameters; `inverse` gives the inverse
    function and its log-derivative. Raises CaloforgeError for shapes that do not belong together.
    """
    raw = torch.cat([widths, heights, derivatives], -1)
    return spline_from_raw(x, raw, inverse, tail_bound, min_bin, min_derivative)
