"""The kernel against the plain torch spline: values, gradients, extremes, and the operator's own contract."""

from __future__ import annotations

import warnings
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from caloforge.generative import SlowPathWarning
from caloforge.generative.fused_spline import _spline, fused_spline
from caloforge.generative.spline import spline_from_raw
from caloforge.generative.spline_tile import (
    AT,
    D0,
    D1,
    IMAGE,
    LANES,
    SCRATCH,
    X0,
    X1,
    Y0,
    Y1,
    image,
    tile,
)  # fmt: skip
from caloforge.nn import fallback

BOUND, BINS = 6.0, 8


def drawn(n: int, scale: float = 1.0, bins: int = BINS) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    raw = scale * torch.randn(n, 3 * bins - 1, generator=generator)
    return (torch.rand(n, generator=generator) * 2 - 1) * BOUND * 1.2, raw


def gradients(
    spline, x: Tensor, raw: Tensor, inverse: bool, weights: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, raw = x.clone().requires_grad_(), raw.clone().requires_grad_()
    y, logabsdet = spline(x, raw, inverse, BOUND)
    gx, graw = torch.autograd.grad((y * weights[0]).sum() + (logabsdet * weights[1]).sum(), (x, raw))
    return y.detach(), logabsdet.detach(), gx, graw


@pytest.mark.parametrize("bins", [2, 5, 8])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("n", [1, 63, 64, 5000])
def test_values_and_gradients_are_those_of_float64(n: int, inverse: bool, bins: int) -> None:
    x, raw = drawn(n, 0.7, bins)
    weights = torch.randn(2, n, generator=torch.Generator().manual_seed(4)).unbind()
    found = gradients(fused_spline, x, raw, inverse, weights)
    doubles = tuple(weight.double() for weight in weights)
    expected = gradients(spline_from_raw, x.double(), raw.double(), inverse, doubles)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("inverse", [False, True])
def test_finite_and_inside_for_any_finite_parameters(inverse: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    largest = torch.finfo(torch.float32).max
    extremes = torch.tensor([0.0, 1e-30, 1.0, -1.0, 30.0, 88.0, -88.0, 1e4, -1e4, 1e20, -1e20, largest, -largest])
    raw = extremes[torch.randint(len(extremes), (20000, 3 * BINS - 1), generator=generator)]
    x = (torch.rand(20000, generator=generator) * 2 - 1) * BOUND * 1.1
    x[:4] = torch.tensor([BOUND, -BOUND, 1e4, -1e4])
    y, logabsdet, gx, graw = gradients(fused_spline, x, raw, inverse, (torch.ones_like(x), torch.ones_like(x)))
    for tensor in (y, logabsdet, gx, graw):
        assert tensor.isfinite().all()
    inside = x.abs() <= BOUND
    assert (y[inside].abs() <= BOUND).all() and torch.equal(y[~inside], x[~inside])


def test_monotone_over_random_extreme_parameters() -> None:
    _, raw = drawn(200, 20.0)
    x = torch.linspace(-BOUND, BOUND, 501)
    y, _ = fused_spline(x.expand(200, -1), raw[:, None].expand(-1, 501, -1), False, BOUND)
    assert (y.diff(dim=1) >= 0).all()


@pytest.mark.parametrize(
    "draws", [10**7, pytest.param(10**9, marks=pytest.mark.slow)], ids=["ten million", "a thousand million"]
)
def test_random_extreme_parameters_are_finite_and_monotone(draws: int) -> None:
    """Every draw is one set of parameters, at two arguments, both ways, with gradients at one."""
    generator = torch.Generator().manual_seed(6)
    scales = torch.tensor([1e-3, 1.0, 10.0, 1e2, 1e4, 1e30])
    chunk = 250_000
    for number in range(-(-draws // chunk)):
        raw = torch.randn(chunk, 3 * BINS - 1, generator=generator)
        raw *= scales[torch.randint(len(scales), (chunk, 1), generator=generator)]
        pair = (torch.rand(2, chunk, generator=generator) * 2.2 - 1.1) * BOUND
        below, above = pair.amin(0), pair.amax(0)
        ones = torch.ones(chunk)
        inverse = number % 2 == 1
        first, slope, gx, graw = gradients(fused_spline, below, raw, inverse, (ones, ones))
        second, _ = fused_spline(above, raw, inverse, BOUND)
        for name, tensor in (("y", first), ("logabsdet", slope), ("gx", gx), ("graw", graw), ("y", second)):
            assert tensor.isfinite().all(), name
        assert (second >= first).all()


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("where", ["x", "raw"])
def test_what_is_not_a_number_stays_so(inverse: bool, where: str) -> None:
    x, raw = drawn(50)
    x = x.clamp(-BOUND, BOUND)
    (x if where == "x" else raw)[7] = torch.nan
    y, _ = fused_spline(x, raw, inverse, BOUND)
    assert y.isnan().nonzero().flatten().tolist() == [7]


def test_second_derivatives_are_those_of_plain_torch() -> None:
    x, raw = drawn(40)
    results = []
    for spline in (fused_spline, spline_from_raw):
        leaves = [tensor.clone().requires_grad_() for tensor in (x, raw)]
        y, logabsdet = spline(*leaves, False, BOUND)
        first = torch.autograd.grad((y * logabsdet).sum(), leaves, create_graph=True)
        results.append(torch.autograd.grad(sum(g.square().sum() for g in first), leaves))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2)


def test_parameters_of_less_precision_are_taken_to_float32() -> None:
    x, raw = drawn(100)
    half = raw.bfloat16()
    assert all(torch.equal(a, b) for a, b in zip(fused_spline(x, half), fused_spline(x, half.float()), strict=True))


def test_a_precision_that_the_kernel_lacks_is_said_once() -> None:
    fallback._say_once.cache_clear()
    x, raw = drawn(10)
    with pytest.warns(SlowPathWarning, match=r"torch\.float64 on cpu"):
        fused_spline(x.double(), raw.double())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fused_spline(x.double(), raw.double())


def test_compiled_graphs_take_plain_torch() -> None:
    x, raw = drawn(30)
    exported = torch.export.export(_Spline(), (x, raw))
    assert "caloforge" not in exported.graph_module.code
    for ours, theirs in zip(exported.module()(x, raw), spline_from_raw(x, raw, False, BOUND), strict=True):
        torch.testing.assert_close(ours, theirs)


class _Spline(torch.nn.Module):
    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        return fused_spline(x, raw, False, BOUND)


@pytest.mark.parametrize("inverse", [False, True])
def test_round_trip(inverse: bool) -> None:
    x, raw = drawn(4000, 0.7)
    y, logabsdet = fused_spline(x, raw, inverse, BOUND)
    back, minus = fused_spline(y, raw, not inverse, BOUND)
    torch.testing.assert_close(back, x, rtol=0, atol=2e-4)
    torch.testing.assert_close(minus, -logabsdet, rtol=0, atol=5e-3)


def test_an_empty_batch_and_other_precisions() -> None:
    x, raw = drawn(0)
    assert fused_spline(x, raw, False, BOUND)[0].shape == (0,)
    x, raw = drawn(10)
    assert torch.equal(fused_spline(x.double(), raw.double())[0], spline_from_raw(x.double(), raw.double())[0])


def test_the_operator_keeps_torchs_rules() -> None:
    x, raw = drawn(70)
    torch.library.opcheck(
        _spline,
        (x.requires_grad_(), raw.requires_grad_(), False, BOUND, 1e-6, 1e-6),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def test_equal_input_gives_equal_bytes() -> None:
    x, raw = drawn(1000)
    assert all(torch.equal(a, b) for a, b in zip(fused_spline(x, raw), fused_spline(x, raw), strict=True))


@pytest.mark.parametrize("bins", [1, 2, 8, 100])
@pytest.mark.parametrize("scale", [1.0, 10.0, 1e4])
def test_knots_rise_and_the_inverse_is_backward_stable(bins: int, scale: float) -> None:
    """x lies within 4 ulp of the exact inverse, on the kernel's own knots, of some y' within 4 ulp of y."""
    n, bound = LANES, np.float32(14.0)
    raw = scale * np.random.default_rng(5).standard_normal((3 * bins - 1, n)).astype(np.float32)
    rows, knots = raw.copy(), np.zeros((2 * bins, n), np.float32)
    s, theta = np.zeros(SCRATCH, np.float32), np.zeros(n)
    y = np.random.default_rng(6).uniform(-14, 14, n).astype(np.float32)
    s[AT : AT + n] = y
    floors = np.float32(1e-6), np.float32(1e-6), np.float32(1e6)
    tile(rows, bins, True, bound, *floors, s, theta, knots, n)
    image(True, bound, s, theta, n)
    for part in (knots[:bins], knots[bins:]):
        assert (np.diff(np.concatenate([np.full((1, n), -bound), part]), axis=0) > 0).all()
    for lane in range(n):
        x0, x1, y0, y1, d0, d1 = (Fraction(float(s[k + lane])) for k in (X0, X1, Y0, Y1, D0, D1))
        width, height = x1 - x0, y1 - y0
        low = high = y[lane]
        for _ in range(4):
            low, high = np.nextafter(low, np.float32(-99)), np.nextafter(high, np.float32(99))
        ends = []
        for end in (low, high):
            xi = min(max((Fraction(float(end)) - y0) / height, Fraction(0)), Fraction(1))
            delta = height / width
            total = xi * (d0 + d1 - 2 * delta)
            a, b = total + delta - d0, d0 - total
            square = b * b + 4 * a * delta * xi
            root = Fraction(isqrt(square.numerator * 10**120 // square.denominator), 10**60)
            ends.append(float(x0 + width * (2 * delta * xi / (b + root) if b >= 0 else (root - b) / (2 * a))))
        ulp = 4 * float(np.spacing(np.float32(max(map(abs, ends)))))
        assert ends[0] - ulp <= float(s[IMAGE + lane]) <= ends[1] + ulp
