"""MADE's masks, the walk against D naive passes, and nflows on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    Flow,
    InverseAutoregressive,
    MaskedAutoregressive,
    Spline,
    load_nflows_weights,
    permutations,
    spline_from_raw,
)
from caloforge.nn import MADE, MLP, hidden_degrees


@pytest.mark.parametrize("degrees", ["sorted", "nflows"])
@pytest.mark.parametrize("features, hidden", [(1, 3), (2, 1), (5, 3), (5, (20, 7)), (9, (4, 30, 8))])
def test_made_is_autoregressive(features: int, hidden: Any, degrees: Any) -> None:
    torch.manual_seed(0)
    made = MADE(features, hidden, 4, 2, degrees=degrees).double()
    x, context = torch.randn(features, dtype=torch.float64), torch.randn(1, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: made(v[None], context)[0].sum(-1), x)
    assert (jacobian.triu() == 0).all()


def test_sorted_degrees_are_spread_over_all_features() -> None:
    few, many = hidden_degrees(504, 378), hidden_degrees(504, 736)
    for degrees in (few, many):
        assert (degrees.diff() >= 0).all() and degrees.min() >= 1 and degrees.max() <= 503
    assert few.max() > 495 and set(many.tolist()) == set(range(1, 504))
    assert hidden_degrees(504, 378, "nflows").tolist() == list(range(1, 379))


def test_mlp_shapes() -> None:
    assert MLP(3, (5, 6), 2)(torch.zeros(4, 3)).shape == (4, 2)


def naive(block: Any, other: Tensor, context: Tensor) -> Tensor:
    """D full passes, one more feature right after each."""
    value = torch.zeros_like(other)
    for feature in range(other.shape[1]):
        raw = block.made(value, context)
        solved, _ = spline_from_raw(other, raw, not block.reverse, block.univariate.tail_bound)
        value[:, feature] = solved[:, feature]
    return value


@pytest.mark.parametrize("kind", [MaskedAutoregressive, InverseAutoregressive])
@pytest.mark.parametrize("degrees", ["sorted", "nflows"])
@pytest.mark.parametrize("hidden", [(1,), (9,), (40,), (9, 40), (40, 9, 13)])
def test_walk_equals_naive_passes(kind: Any, degrees: Any, hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    block = kind(MADE(16, hidden, 14, 3, degrees=degrees), Spline(5, 4.0))
    other, context = 2 * torch.randn(20, 16), torch.randn(20, 3)
    with torch.no_grad():
        torch.testing.assert_close(block.walk(other, context)[0], naive(block, other, context), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "features, hidden, n_layers, context", [(12, 8, 1, 3), (12, 30, 2, 3), (7, 20, 3, 0), (60, 45, 2, 2)]
)
def test_agrees_with_nflows_on_the_same_weights(features: int, hidden: int, n_layers: int, context: int) -> None:
    from nflows import transforms

    torch.manual_seed(0)
    floors = {"min_bin_width": 1e-6, "min_bin_height": 1e-6, "min_derivative": 1e-6}
    theirs = transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        features,
        hidden,
        context_features=context or None,
        num_bins=8,
        tails="linear",
        tail_bound=5.0,
        num_blocks=n_layers - 1,
        use_residual_blocks=False,
        **floors,
    )
    flow = Flow(
        features, context, 1, (hidden,) * n_layers, 8, 5.0, degrees="nflows", context_mode="nflows", permutation="none"
    )
    load_nflows_weights(flow.blocks[0], theirs.state_dict())
    x = 3 * torch.randn(300, features)
    c = torch.randn(300, context) if context else None
    for dtype, tolerance in ((torch.float32, 5e-3), (torch.float64, 1e-7)):  # last bits of float32 are amplified
        theirs, flow, x = theirs.to(dtype), flow.to(dtype), x.to(dtype)
        c = None if c is None else c.to(dtype)
        condition = {} if c is None else {"context": c}
        with torch.no_grad():
            z, logabsdet = theirs(x, c)
            their_log_prob = torch.distributions.Normal(0, 1).log_prob(z).sum(-1) + logabsdet
            torch.testing.assert_close(flow.log_prob(x, condition), their_log_prob, atol=tolerance, rtol=1e-5)
            torch.testing.assert_close(
                flow.decode({"z": z}, condition), theirs.inverse(z, c)[0], atol=tolerance, rtol=0
            )


def test_nflows_weights_that_do_not_fit_are_refused() -> None:
    from nflows import transforms

    theirs = transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        6, 12, num_bins=8, tails="linear", num_blocks=0, use_residual_blocks=False
    )
    for settings, match in [
        ({"hidden": (12, 12), "degrees": "nflows"}, "layers"),
        ({"hidden": 10, "degrees": "nflows"}, "shape"),
        ({"hidden": 12}, "mask"),
    ]:
        flow = Flow(6, 0, 1, **settings)  # type: ignore[arg-type]
        before = {name: value.clone() for name, value in flow.state_dict().items()}
        with pytest.raises(CaloforgeError, match=match):
            load_nflows_weights(flow.blocks[0], theirs.state_dict())
        assert all(torch.equal(value, before[name]) for name, value in flow.state_dict().items())


def test_walk_at_published_size_is_right_and_computes_units_once() -> None:
    torch.manual_seed(0)
    block = MaskedAutoregressive(MADE(504, 378, 23, 4))
    x, context = torch.randn(5, 504), torch.randn(5, 4)
    with torch.no_grad():
        z, _ = block(x, context)
        torch.testing.assert_close(block.inverse(z, context), x, atol=1e-4, rtol=1e-4)


def test_permutations() -> None:
    made = permutations(10, 5, "alternating", seed=3, groups=(4, 6))
    assert made[0].tolist() == list(range(10))
    assert made[1].tolist() == made[3].tolist() == list(range(9, -1, -1))
    assert sorted(made[2][:4].tolist()) == [0, 1, 2, 3]
    again = permutations(10, 5, "alternating", seed=3, groups=(4, 6))
    assert all(torch.equal(a, b) for a, b in zip(made, again, strict=True))
    assert not torch.equal(permutations(10, 3, seed=4)[2], permutations(10, 3, seed=5)[2])
    with pytest.raises(CaloforgeError, match="add up"):
        permutations(10, 5, groups=(4, 4))


def test_settings_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(CaloforgeError, match="positive"):
        Flow(4, blocks=0)
    with pytest.raises(CaloforgeError, match="direction"):
        Flow(4, direction="both")  # type: ignore[arg-type]
    with pytest.raises(CaloforgeError, match="'context'"):
        Flow(4, 2).log_prob(torch.zeros(1, 4), {})
