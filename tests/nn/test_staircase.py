"""Products without what is masked out, against the dense masked ones."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from caloforge.nn import MADE, MaskedLinear
from caloforge.nn.staircase import staircase, staircase_linear


def mask_of(degrees_in: torch.Tensor, degrees_out: torch.Tensor) -> torch.Tensor:
    return degrees_out[:, None] >= degrees_in


MASKS = {
    "square": mask_of(torch.arange(1, 201), torch.arange(1, 201)),
    "wide": mask_of(torch.arange(1, 101), torch.arange(1, 101).repeat_interleave(7)),
    "two groups": mask_of(torch.arange(1, 121), torch.cat([torch.zeros(60), torch.full((60,), 60)])),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("n", [0, 1, 33])
def test_values_and_gradients_are_those_of_the_masked_layer(name: str, n: int) -> None:
    torch.manual_seed(0)
    layer = MaskedLinear(MASKS[name]).double()
    plan = staircase(MASKS[name])
    assert plan is not None and layer.plan == plan
    x = torch.randn(n, MASKS[name].shape[1], dtype=torch.float64, requires_grad=True)
    weights = torch.randn(n, len(MASKS[name]), dtype=torch.float64)
    found = staircase_linear(x, layer.weight, layer.bias, layer.mask, plan)
    expected = F.linear(x, layer.weight * layer.mask, layer.bias)
    torch.testing.assert_close(found, expected)
    leaves = (x, layer.weight, layer.bias)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), leaves),
        torch.autograd.grad((expected * weights).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_masked_out_weights_do_not_count() -> None:
    layer = MaskedLinear(MASKS["square"])
    x = torch.randn(5, 200)
    before = layer(x)
    with torch.no_grad():
        layer.weight.masked_fill_(layer.mask == 0, 1e9)
    assert torch.equal(layer(x), before)


def test_other_masks_have_no_steps() -> None:
    assert staircase(torch.ones(200, 200, dtype=torch.bool).tril().flip(0)) is None
    assert staircase(torch.rand(200, 200, generator=torch.Generator().manual_seed(0)) > 0.5) is None
    assert staircase(torch.ones(50, 50).tril()) is None, "too narrow to be worth it"


def test_the_operator_keeps_torchs_rules() -> None:
    plan = staircase(MASKS["wide"])
    x = torch.randn(4, 100, requires_grad=True)
    weight, bias = torch.randn(700, 100, requires_grad=True), torch.randn(700, requires_grad=True)
    torch.library.opcheck(
        staircase_linear,
        (x, weight, bias, MASKS["wide"].float(), plan),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


@pytest.mark.parametrize("passes", [2, 3, 12])
def test_made_with_passes_depends_on_earlier_groups_alone(passes: int) -> None:
    torch.manual_seed(0)
    made = MADE(12, (120, 120), 2, 3, passes=passes).double()
    context = torch.randn(1, 3, dtype=torch.float64)
    x = torch.randn(12, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: made(v[None], context)[0].sum(-1), x)
    group = torch.tensor([feature * passes // 12 for feature in range(12)])
    assert (jacobian[group[:, None] <= group] == 0).all()
    assert (jacobian[group == passes - 1][:, group < passes - 1] != 0).any(0).all()
    moved = made(x[None], context) - made(x[None], context + 1)
    assert (moved[0, 0] != 0).all(), "the first group knows the context"
