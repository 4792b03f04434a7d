"""The spline: zuko's numbers on the same knots, finite everywhere, an inverse that is right to the last bits."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative import normalise, rational_quadratic_spline, spline_from_raw

BINS = 8
FLOAT32_MAX = torch.finfo(torch.float32).max


def raw_parameters(n: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(n, 3 * BINS - 1, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bound", [1.0, 14.0])
def test_agrees_with_zuko_on_the_same_knots(bound: float) -> None:
    from zuko import transforms as zuko

    raw = raw_parameters(4000, 2.0).double()
    x = (torch.rand(4000, dtype=torch.float64) * 2 - 1) * bound * 1.2
    knots = normalise(raw, bound)
    theirs = zuko.MonotonicRQSTransform(raw[:, :BINS], raw[:, :BINS], raw[:, 2 * BINS :], bound=bound)
    theirs.horizontal, theirs.vertical, theirs.derivatives = knots
    y, logabsdet = spline_from_raw(x, raw, tail_bound=bound)
    their_y, their_logabsdet = theirs.call_and_ladj(x)
    torch.testing.assert_close(y, their_y, atol=1e-10, rtol=1e-9)
    torch.testing.assert_close(logabsdet, their_logabsdet, atol=1e-8, rtol=1e-8)
    # in flat places x is poorly determined by y, so the inverse is held to the y that it must lead back to
    back, back_logabsdet = spline_from_raw(their_y, raw, inverse=True, tail_bound=bound)
    again, again_logabsdet = theirs.call_and_ladj(back)
    torch.testing.assert_close(again, their_y, atol=1e-12 * bound, rtol=1e-12)
    torch.testing.assert_close(back_logabsdet, -again_logabsdet, atol=1e-8, rtol=1e-8)


EXTREMES = [0.0, 1e-30, 1.0, -1.0, 30.0, 88.0, -88.0, 1e4, -1e4, 1e20, -1e20, FLOAT32_MAX, -FLOAT32_MAX]


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("bound", [1.0, 14.0])
def test_finite_for_any_finite_parameters(inverse: bool, bound: float) -> None:
    generator = torch.Generator().manual_seed(1)
    choice = torch.tensor(EXTREMES)
    raw = choice[torch.randint(len(EXTREMES), (4000, 3 * BINS - 1), generator=generator)].requires_grad_()
    edges = torch.tensor([0.0, bound, -bound, 1e4, -1e4, 1e-38, np.nextafter(np.float32(bound), np.float32(0))])
    x = torch.where(
        torch.rand(4000, generator=generator) < 0.5,
        edges[torch.arange(4000) % len(edges)],
        (torch.rand(4000, generator=generator) * 2 - 1) * bound * 1.1,
    )
    y, logabsdet = spline_from_raw(x, raw, inverse, tail_bound=bound)
    assert torch.isfinite(y).all() and torch.isfinite(logabsdet).all()
    assert (y[x.abs() <= bound].abs() <= bound).all()
    assert torch.equal(y[x.abs() > bound], x[x.abs() > bound])
    (y.sum() + logabsdet.sum()).backward()
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("bins", [1, 2, 8, 100])
def test_knots_rise(bins: int) -> None:
    raw = 1e3 * torch.randn(500, 3 * bins - 1, generator=torch.Generator().manual_seed(2))
    knots = normalise(raw, 14.0)
    assert (knots.x.diff() > 0).all() and (knots.y.diff() > 0).all() and (knots.slope > 0).all()
    assert (knots.slope[:, [0, -1]] == 1).all()


def _exact_inverse(y: Fraction, x: list[Fraction], heights: list[Fraction], slope: list[Fraction]) -> Fraction:
    """The inverse in rational arithmetic, its square root to 60 digits."""
    k = max(i for i in range(len(x) - 1) if heights[i] <= y)
    width, height = x[k + 1] - x[k], heights[k + 1] - heights[k]
    delta, xi = height / width, (y - heights[k]) / height
    total = xi * (slope[k] + slope[k + 1] - 2 * delta)
    a, b = total + delta - slope[k], slope[k] - total
    square = b * b + 4 * a * delta * xi
    root = Fraction(isqrt(square.numerator * 10**120 // square.denominator), 10**60)
    theta = 2 * delta * xi / (b + root) if b >= 0 else (root - b) / (2 * a)
    return x[k] + theta * width


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e4])
def test_inverse_is_backward_stable(scale: float) -> None:
    bound, n = 14.0, 250
    raw = raw_parameters(n, scale)
    knots = normalise(raw, bound)
    generator = torch.Generator().manual_seed(3)
    y = (torch.rand(n, generator=generator) * 2 - 1) * bound
    y[:80] = knots.y[:80, 1:-1].gather(-1, torch.randint(0, BINS - 1, (80, 1), generator=generator))[:, 0]
    y[80:120] *= 1e-6
    found, _ = spline_from_raw(y, raw, inverse=True, tail_bound=bound)
    for row in range(n):
        x, heights, slope = ([Fraction(value) for value in part[row].tolist()] for part in knots)
        low = high = np.float32(y[row])
        for _ in range(4):
            low, high = np.nextafter(low, np.float32(-99)), np.nextafter(high, np.float32(99))
        below, above = (float(_exact_inverse(Fraction(float(end)), x, heights, slope)) for end in (low, high))
        ulp = 4 * float(np.spacing(np.float32(max(abs(below), abs(above)))))
        assert below - ulp <= found[row].item() <= above + ulp


def test_three_tensors_are_the_same_as_one() -> None:
    raw, x = raw_parameters(50), torch.randn(50)
    parts = raw.split([BINS, BINS, BINS - 1], -1)
    for ours, theirs in zip(rational_quadratic_spline(x, *parts), spline_from_raw(x, raw), strict=True):
        assert torch.equal(ours, theirs)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CaloforgeError, match="3K-1"):
        spline_from_raw(torch.zeros(2), torch.zeros(2, 22))
    with pytest.raises(CaloforgeError, match="min_bin"):
        spline_from_raw(torch.zeros(2), torch.zeros(2, 23), min_bin=0.2)
