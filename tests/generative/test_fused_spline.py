"""The kernel against the plain torch spline: values, gradients, extremes, and the operator's own contract."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from caloforge.generative.fused_spline import _spline, fused_spline
from caloforge.generative.spline import spline_from_raw

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
