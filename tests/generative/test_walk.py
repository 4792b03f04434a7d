"""The walk by products and a kernel against the walk in plain torch, and what it must hold as an operator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    Affine,
    Autoregressive,
    Flow,
    MaskedAutoregressive,
    Permutation,
    Spline,
)
from caloforge.generative.fast_walk import fast_walk
from caloforge.generative.walk import Layers, walk
from caloforge.nn import MADE, compilation

SPLINE = Spline(5, 4.0)
MADES = {
    "one layer": lambda: MADE(70, 50, SPLINE.parameters, 3),
    "more units than features": lambda: MADE(40, 90, SPLINE.parameters, 3),
    "fewer units than blocks": lambda: MADE(70, 2, SPLINE.parameters, 3),
    "three layers": lambda: MADE(70, (30, 80, 20), SPLINE.parameters, 3),
    "unsorted": lambda: MADE(40, (90, 50), SPLINE.parameters, 3, degrees="nflows", context_mode="nflows"),
    "no context": lambda: MADE(70, (50, 50), SPLINE.parameters),
    "coupling": lambda: MADE(70, 50, SPLINE.parameters, 3, passes=2),
    "five passes": lambda: MADE(70, (50, 40), SPLINE.parameters, 3, passes=5),
    "one feature": lambda: MADE(1, 5, SPLINE.parameters, 3),
}


@pytest.fixture(params=MADES)
def block(request: pytest.FixtureRequest) -> MaskedAutoregressive:
    torch.manual_seed(0)
    return MaskedAutoregressive(MADES[request.param](), SPLINE)


def inputs(block: MaskedAutoregressive, n: int) -> tuple[Tensor, Tensor | None]:
    context = torch.randn(n, block.made.context_features) if block.made.context_features else None
    return 2 * torch.randn(n, block.made.features), context


@pytest.mark.parametrize("n", [0, 1, 7, 9, 300])
@torch.no_grad()
def test_kernel_agrees_with_plain_torch(block: MaskedAutoregressive, n: int) -> None:
    other, context = inputs(block, n)
    first, layers = block.made.context_term(context), Layers.of(block.made)
    for inverse in (True, False):
        value, logabsdet = fast_walk(other, first, layers, SPLINE, inverse)
        exact = Layers(*([t.double() for t in part] if isinstance(part, list) else part.double() for part in layers))
        exact = exact._replace(degrees=layers.degrees)
        wide = None if first is None else first.double()
        expected, expected_logabsdet = walk(other.double(), wide, exact, SPLINE, inverse)
        torch.testing.assert_close(value.double(), expected, atol=2e-4, rtol=1e-4)
        torch.testing.assert_close(logabsdet.double(), expected_logabsdet, atol=3e-3, rtol=1e-3)


@pytest.mark.parametrize("context", [0, 3])
@torch.no_grad()
def test_a_walk_leaves_the_parameters_alone(context: int) -> None:
    torch.manual_seed(0)
    block = MaskedAutoregressive(MADE(6, 9, SPLINE.parameters, context), SPLINE)
    before = {name: value.clone() for name, value in block.state_dict().items()}
    other, given = inputs(block, 1)
    values = [block.walk(other, given)[0] for _ in range(2)]
    assert torch.equal(*values)
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


@torch.no_grad()
def test_logabsdet_is_minus_that_of_the_dense_pass(block: MaskedAutoregressive) -> None:
    other, context = inputs(block, 20)
    value, logabsdet = block.walk(other, context)
    dense = block.dense(value, context)
    torch.testing.assert_close(dense.value, other, atol=1e-3, rtol=0)
    torch.testing.assert_close(dense.logabsdet, -logabsdet, atol=1e-2, rtol=1e-3)


@torch.no_grad()
def test_threads_and_repetition_change_no_bit() -> None:
    torch.manual_seed(0)
    block = MaskedAutoregressive(MADES["three layers"](), SPLINE)
    other, context = inputs(block, 1000)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            results.append(block.walk(other, context))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for again in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], again, strict=True))


def test_gradients_through_the_operator_are_those_of_plain_torch() -> None:
    torch.manual_seed(0)
    block = MaskedAutoregressive(MADES["three layers"](), SPLINE)
    other, context = inputs(block, 6)
    other.requires_grad_()
    parameters = [other, *block.parameters()]
    found = torch.autograd.grad(sum(part.sum() for part in block.walk(other, context)), parameters)
    plain = walk(other, block.made.context_term(context), Layers.of(block.made), SPLINE, True)
    expected = torch.autograd.grad(sum(part.sum() for part in plain), parameters)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_the_operator_keeps_torchs_rules() -> None:
    torch.manual_seed(0)
    block = MaskedAutoregressive(MADES["one layer"](), SPLINE)
    other, context = inputs(block, 4)
    layers = Layers.of(block.made)
    first = block.made.context_term(context)
    torch.library.opcheck(
        torch.ops.caloforge.walk.default,
        (
            other.requires_grad_(), first.detach(), layers.weights, layers.biases, layers.degrees,
            layers.output_weight, layers.output_bias, True, 5, 4.0, 1e-6, 1e-6,
        ),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )  # fmt: skip


@torch.no_grad()
def test_autocast_changes_nothing() -> None:
    torch.manual_seed(0)
    block = MaskedAutoregressive(MADES["one layer"](), SPLINE)
    other, context = inputs(block, 5)
    expected = block.walk(other, context)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = block.walk(other, context)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("passes", [None, 2])
@pytest.mark.parametrize("direction", ["masked", "inverse"])
@torch.no_grad()
def test_other_univariate_maps(passes: int | None, direction: str) -> None:
    torch.manual_seed(0)
    flow = Flow(9, 2, 3, 20, direction=direction, passes=passes, univariate=Affine())  # type: ignore[arg-type]
    for parameter in flow.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    x, condition = torch.randn(30, 9), {"context": torch.randn(30, 2)}
    z, _ = flow.encode(x, condition)
    torch.testing.assert_close(flow.decode({"z": z}, condition), x, atol=1e-4, rtol=1e-4)


def test_affine_agrees_with_autograd() -> None:
    raw, x = torch.randn(8, 2).double(), torch.randn(8).double()
    y, logabsdet = Affine()(x, raw)
    slope = torch.autograd.functional.jacobian(lambda v: Affine()(v, raw)[0], x).diagonal()
    torch.testing.assert_close(logabsdet, slope.log())
    back, minus = Affine()(y, raw, inverse=True)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(minus, -logabsdet)


@pytest.mark.parametrize("direction", ["masked", "inverse"])
@pytest.mark.parametrize("name", ["output_layer.weight", "hidden_layers.0.bias"])
@torch.no_grad()
def test_parameters_that_are_not_finite_name_their_block(direction: str, name: str) -> None:
    torch.manual_seed(0)
    flow = Flow(70, 2, 3, 50, direction=direction)  # type: ignore[arg-type]
    flow.get_parameter(f"blocks.1.made.{name}").fill_(torch.nan)
    with pytest.raises(CaloforgeError, match=rf"Block 1 .*blocks\.1\.made\.{name}"):
        flow.decode({"z": torch.randn(4, 70)}, {"context": torch.randn(4, 2)})


def test_orders_that_are_no_permutation_are_refused() -> None:
    for indices in ([0, 1, 1], [1, 2, 3], [[0, 1]]):
        with pytest.raises(CaloforgeError, match="permutation"):
            Permutation(torch.tensor(indices))


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CaloforgeError, match="per feature"):
        Autoregressive(MADE(4, 5, 7), Spline(8))
    with pytest.raises(CaloforgeError, match="passes=1"):
        MADE(4, 5, 7, passes=1)
    with pytest.raises(CaloforgeError, match="passes=5"):
        MADE(4, 5, 7, 2, passes=5)
    for spline in ({"bins": 0}, {"tail_bound": 0.0}, {"tail_bound": float("inf")}):
        with pytest.raises(CaloforgeError, match="positive"):
            Spline(**spline)


def test_a_long_first_call_is_announced(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(compilation, "PATIENCE_S", 0.01)

    def slow(value: int) -> int:
        time.sleep(0.1)
        return value

    assert compilation.announced(slow)(3) == 3
    assert "compiles its kernels" in capsys.readouterr().err
    assert compilation.announced(slow)(4) == 4
    assert capsys.readouterr().err == ""
