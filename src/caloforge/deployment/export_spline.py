"""The spline as plain arithmetic: no search, no gather, no boolean masks, so that every runtime has its operators."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from caloforge.generative.spline import MAX_DERIVATIVE
from caloforge.generative.univariate import Spline


@dataclass(frozen=True)
class PlainSpline(Spline):
    """The same map as `Spline` (Durkan et al., arXiv:1906.04032), the bin picked by comparisons with all knots.

    Knots rise, so the ends of the bin are a maximum and a minimum over those on either side; slopes are picked by a sum
    over a row of zeros and a one. Everything stays in the precision of x; log-determinants are not computed.
    """

    def __call__(
        self, x: Tensor, raw: Tensor, inverse: bool = False, need_logabsdet: bool = True
    ) -> tuple[Tensor, Tensor]:
        """y (...) of x (...) and raw (..., 3K-1); the second result means nothing."""
        k, bound = self.bins, self.tail_bound
        across, up = self._knots(raw[..., :k]), self._knots(raw[..., k : 2 * k])
        at = x.clamp(-bound, bound)
        passed = at[..., None] >= (up if inverse else across)
        x0, x1 = _ends(passed, across, bound)
        y0, y1 = _ends(passed, up, bound)
        d0, d1 = self._slopes(passed, raw[..., 2 * k :])
        width, height = x1 - x0, y1 - y0
        delta = height / width
        if inverse:
            theta = _risen((at - y0) / height, delta, d0, d1)
            y = x0 + theta * width
        else:
            theta = ((at - x0) / width).clamp(0, 1)
            y = y0 + height * _share(theta, delta, d0, d1)
        return torch.where(x.abs() <= bound, y.clamp(-bound, bound), x), x

    def _knots(self, raw: Tensor) -> Tensor:
        """Inner knots (..., K-1) of raw bin sizes (..., K)."""
        running, shift, highest = _constants(self.bins, self.tail_bound, self.min_bin)
        inner = torch.softmax(raw, -1) @ running.to(raw.dtype) + shift.to(raw.dtype)
        return torch.minimum(inner, highest.to(raw.dtype))

    def _slopes(self, passed: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Slopes at both ends of the bin, (...); the first and the last knot have slope one."""
        if self.bins == 1:
            ones = 0 * raw.sum(-1) + 1
            return ones, ones
        count = passed.to(raw.dtype)
        below, above = count[..., 1:], count[..., :-1]
        at_start = (raw[..., :-1] * (above - below)).sum(-1) + raw[..., -1] * count[..., -1]
        at_end = raw[..., 0] * (1 - count[..., 0]) + (raw[..., 1:] * (above - below)).sum(-1)
        return self._slope(at_start, count[..., 0]), self._slope(at_end, 1 - count[..., -1])

    def _slope(self, raw: Tensor, inner: Tensor) -> Tensor:
        """The slope of raw parameters (...) at an inner knot, one where `inner` is zero."""
        slope = (F.softplus(raw) + self.min_derivative).clamp(max=MAX_DERIVATIVE)
        return slope * inner + (1 - inner)


def _constants(bins: int, bound: float, min_bin: float) -> tuple[Tensor, Tensor, Tensor]:
    """What turns shares of bins into inner knots: weights of running sums, what is added, and the highest places."""
    span = 2 * bound
    scale = span * (1 - bins * min_bin)
    running = torch.tensor([[scale if row <= column else 0.0 for column in range(bins - 1)] for row in range(bins)])
    shift = torch.tensor([number * span * min_bin - bound for number in range(1, bins)])
    highest = torch.tensor([bound - (bins - number) * span * min_bin for number in range(1, bins)])
    return running, shift, highest


def _ends(passed: Tensor, knots: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Where the bin begins and ends, (...), from the inner knots (..., K-1)."""
    begin, end = torch.where(passed, knots, -bound).amax(-1), torch.where(passed, bound, knots).amin(-1)
    return begin, end


def _share(theta: Tensor, delta: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    """Fraction of the bin's height at the position theta in [0, 1]."""
    cross = theta * (1 - theta)
    return (delta * theta * theta + d0 * cross) / (delta * (1 - 2 * cross) + (d0 + d1) * cross)


def _risen(xi: Tensor, delta: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    """The position where the spline has risen by xi: the root without cancellation, and one step of Newton."""
    total = xi * (d0 + d1 - 2 * delta)
    a, b, c = total + delta - d0, d0 - total, delta * xi
    q = b.abs() + (b * b + 4 * a * c).clamp(min=0).sqrt()
    small = torch.finfo(q.dtype).tiny
    theta = torch.where(b >= 0, 2 * c / q.clamp(min=small), q / (2 * a).clamp(min=small)).clamp(0, 1)
    rest, cross = 1 - theta, theta * (1 - theta)
    denominator = delta * (1 - 2 * cross) + (d0 + d1) * cross
    share = (delta * theta * theta + d0 * cross) / denominator
    rise = delta * (d1 * theta * theta + 2 * delta * cross + d0 * rest * rest) / (denominator * denominator)
    return (theta - (share - xi) / rise).clamp(0, 1)
