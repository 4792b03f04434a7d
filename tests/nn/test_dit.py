"""The DiT: patches of unequal layers, what a new network is, its kernels beside plain torch, compiled and exported."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from caloforge.errors import CaloforgeError
from caloforge.nn import DiT, PatchLayout, SelfAttention, encode_positions, side_by_side
from caloforge.nn.fused_norm import gated_norm, split_heads
from caloforge.nn.patches import PatchEmbedding, PatchOutput
from caloforge.nn.rms_norm import EPSILON, gated_norm_plain, rms_norm, split_heads_plain

KINDS = (
    (((3, 0), (1, 4)), ((2, 5, 8), (6, 7, 9))),
    ((0.0, 0.0, 0.0), (0.0, 0.5, 0.0), (1.0, 0.0, 0.5), (1.0, 0.5, 0.5)),
)
LAYOUT = PatchLayout(*KINDS, periodic=(False, True, False))


def network(seed: int = 0, stirred: bool = True, depth: int = 2) -> DiT:
    """A small DiT; stirred: with every weight at random, also those that start at zero."""
    torch.manual_seed(seed)
    made = DiT(LAYOUT, width=16, depth=depth, heads=2, context_features=3)
    if stirred:
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.normal_(std=0.3)
    return made


def inputs(n: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return draw(n, 10), torch.rand(n, generator=generator), draw(n, 3)


def test_layout_gathers_what_it_says() -> None:
    assert (LAYOUT.tokens, LAYOUT.features, LAYOUT.sizes) == (4, 10, ((2, 2), (2, 3)))
    embedding = PatchEmbedding(LAYOUT, 3)
    x = torch.randn(2, 10)
    tokens = embedding(x)
    for token, (kind, patch) in enumerate([(0, (3, 0)), (0, (1, 4)), (1, (2, 5, 8)), (1, (6, 7, 9))]):
        assert torch.allclose(tokens[:, token], embedding.kinds[kind](x[:, list(patch)]), atol=1e-6)


def test_output_puts_back_what_the_embedding_takes_apart() -> None:
    layout = PatchLayout((((2, 0), (1, 3)),), ((0.0, 0.0, 0.0),) * 2)
    embedding, output = PatchEmbedding(layout, 2), PatchOutput(layout, 2)
    for part in (embedding.kinds[0], output.kinds[0]):
        torch.nn.init.eye_(part.weight)
        torch.nn.init.zeros_(part.bias)
    x = torch.randn(3, 4, requires_grad=True)
    assert torch.equal(output(embedding(x)), x)
    (gradient,) = torch.autograd.grad(output(embedding(x)), x, weight := torch.randn(3, 4))
    assert torch.equal(gradient, weight)


@pytest.mark.parametrize(
    ("kinds", "positions", "said"),
    [
        ((((0, 1), (1, 2)),), 2, "voxel 1 stands twice"),
        ((((0, 1), (2, 4)),), 2, "left out"),
        ((((0, 1), (2,)),), 2, r"sizes \[1, 2\]"),
        ((((0, 1), (2, 3)),), 3, "positions has 3 entries for 2 patches"),
    ],
)
def test_layouts_that_cannot_be(kinds: tuple, positions: int, said: str) -> None:
    with pytest.raises(CaloforgeError, match=said):
        PatchLayout(kinds, ((0.0, 0.0, 0.0),) * positions)


def test_layouts_side_by_side() -> None:
    joint = side_by_side([LAYOUT, LAYOUT])
    assert joint.features == 20 and joint.tokens == 8
    assert joint.order == (*LAYOUT.order, *(10 + i for i in LAYOUT.order))


def test_positions_close_on_themselves_where_periodic() -> None:
    encoded = encode_positions([[0.0, 0.0, 0.2], [0.0, 1.0, 0.2], [1.0, 0.0, 0.2]], (False, True, False), 6)
    assert torch.allclose(encoded[0], encoded[1], atol=1e-6)
    assert not torch.allclose(encoded[0], encoded[2], atol=0.1)


def test_rms_norm_is_that_of_torch() -> None:
    x = torch.randn(4, 7, 16)
    assert torch.allclose(rms_norm(x), F.rms_norm(x, (16,), eps=EPSILON), atol=1e-6)
    assert rms_norm(1e4 * x.bfloat16()).dtype == torch.bfloat16


def test_new_network_gives_zero_and_every_block_is_the_identity() -> None:
    fresh = network(stirred=False)
    x, t, context = inputs()
    assert torch.equal(fresh(x, t, context), torch.zeros_like(x))
    torch.nn.init.normal_(fresh.output.kinds[0].weight)
    torch.nn.init.normal_(fresh.output.kinds[1].weight)
    tokens = fresh.embedding(x) + fresh.position(fresh.position_features)
    assert torch.allclose(fresh(x, t, context), fresh.output(rms_norm(tokens)), atol=1e-5)


def test_network_is_the_one_written_plainly() -> None:
    """The same arithmetic, written out with torch's own layers."""
    made = network()
    x, t, context = inputs()
    vector = made.time(
        torch.cat([torch.cos(t[:, None] * made.frequencies), torch.sin(t[:, None] * made.frequencies)], 1)
    )
    rows = made.modulation(F.silu(vector + made.context(context))).view(5, 14, 1, 16)
    norm = lambda tokens, shift, scale: F.rms_norm(tokens, (16,), eps=EPSILON) * (1 + rows[:, scale]) + rows[:, shift]  # noqa: E731
    tokens = made.embedding(x) + made.position(made.position_features)
    row = 0
    for block in made.blocks:
        joint = block.attention.queries_keys_values(norm(tokens, row, row + 1)).view(5, 4, 3, 2, 8)
        q, k = (F.rms_norm(joint[:, :, i], (8,), block.attention.scales[i], EPSILON) for i in range(2))
        weights = torch.softmax(torch.einsum("nqhd,nkhd->nhqk", q, k) / 8**0.5, -1)
        attended = torch.einsum("nhqk,nkhd->nqhd", weights, joint[:, :, 2]).flatten(2)
        tokens = tokens + rows[:, row + 2] * block.attention.output(attended)
        row += 3
        hidden = block.down(F.gelu(block.up(norm(tokens, row, row + 1))))
        tokens = tokens + rows[:, row + 2] * hidden
        row += 3
    assert torch.allclose(made(x, t, context), made.output(norm(tokens, row, row + 1)), atol=2e-5)


def test_tokens_of_a_kind_differ_by_position_alone() -> None:
    """Without positions, turning patches of one kind turns the result the same way."""
    made = network()
    torch.nn.init.zeros_(made.position.weight)
    x, t, context = inputs()
    turned = list(range(10))
    for a, b in zip(KINDS[0][1][0], KINDS[0][1][1], strict=True):
        turned[a], turned[b] = b, a
    assert torch.allclose(made(x[:, turned], t, context), made(x, t, context)[:, turned], atol=1e-5)


def _norm_inputs(width: int = 24) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    shapes = ((3, 5, width), (3, 5, width), (3, width), (3, width), (3, width))
    return tuple(torch.randn(shape, generator=generator).requires_grad_() for shape in shapes)


def _heads_inputs() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randn(s, generator=generator).requires_grad_() for s in ((3, 5, 72), (2, 8)))


CASES: dict[str, tuple[Callable[..., tuple[Tensor, ...]], Callable[..., tuple[Tensor, ...]], tuple[Tensor, ...]]] = {
    "gated norm": (gated_norm, gated_norm_plain, _norm_inputs()),
    "heads": (lambda *x: split_heads(*x, 3), lambda *x: split_heads_plain(*x, 3), _heads_inputs()),
}


@pytest.mark.parametrize("case", CASES)
def test_kernels_are_their_plain_versions(case: str) -> None:
    kernel, plain, given = CASES[case]
    mine, theirs = kernel(*given), plain(*given)
    weights = [torch.randn_like(part) for part in theirs]
    for a, b in zip(mine, theirs, strict=True):
        assert torch.allclose(a, b, atol=2e-6)
    with torch.no_grad():
        for a, b in zip(kernel(*(part.clone() for part in given)), theirs, strict=True):
            assert torch.allclose(a, b, atol=2e-6)
    for a, b in zip(
        torch.autograd.grad(mine, given, weights), torch.autograd.grad(theirs, given, weights), strict=True
    ):
        assert torch.allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("case", CASES)
def test_second_derivatives_go_through_plain_torch(case: str) -> None:
    kernel, plain, given = CASES[case]

    def twice(function: Callable[..., tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        (first,) = torch.autograd.grad(
            sum(part.square().sum() for part in function(*given)), given[:1], create_graph=True
        )
        return torch.autograd.grad(first.square().sum(), given[:2])

    for a, b in zip(twice(kernel), twice(plain), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3)


def test_gradients_for_second_derivatives_are_the_gradients() -> None:
    """A block's output is made of the sum that it is added to: no way is counted twice."""
    made, (x, t, context) = network(), inputs()
    weights = torch.randn(5, 10)
    found = [
        torch.autograd.grad(made(x.requires_grad_(), t, context), [x, *made.parameters()], weights, create_graph=again)
        for again in (False, True)
    ]
    largest = max(float(once.abs().max()) for once in found[0])
    for once, again in zip(*found, strict=True):
        assert torch.allclose(once, again, rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.parametrize("case", CASES)
def test_kernels_let_infinities_show(case: str) -> None:
    kernel, _, given = CASES[case]
    broken = [part.detach().clone() for part in given]
    broken[0].view(-1)[0] = torch.nan
    assert not kernel(*broken)[0].isfinite().all()


def test_vmapped_jacobian_is_that_of_autograd() -> None:
    made = network()
    x, t, context = inputs(2)
    one = lambda x, t, c: made(x[None], t[None], c[None])[0]  # noqa: E731
    found = torch.func.vmap(torch.func.jacrev(one))(x, t, context)
    for row in range(2):
        alone = torch.autograd.functional.jacobian(lambda v, row=row: one(v, t[row], context[row]), x[row])
        assert torch.allclose(found[row], alone, atol=1e-4)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiles_into_one_graph(backend: str) -> None:
    made = network(depth=1)
    given = inputs()
    torch._dynamo.reset()
    compiled = torch.compile(made, fullgraph=True, backend=backend)
    assert torch.allclose(compiled(*given), made(*given), atol=1e-5)
    compiled(*given).square().mean().backward()
    compiled_gradients = [parameter.grad.clone() for parameter in made.parameters()]
    made.zero_grad()
    made(*given).square().mean().backward()
    for mine, theirs in zip(compiled_gradients, (p.grad for p in made.parameters()), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def test_exports_with_any_batch_and_without_kernels() -> None:
    made = network(depth=1).eval()
    batch = torch.export.Dim("batch", min=2, max=100)
    program = torch.export.export(made, inputs(), dynamic_shapes=({0: batch}, {0: batch}, {0: batch}))
    assert "caloforge" not in str(program.graph)
    given = inputs(9)
    with torch.no_grad():
        assert torch.allclose(program.module()(*given), made(*given), atol=1e-5)


def test_a_trace_has_what_the_kernels_do() -> None:
    """The kernels without gradients are called past torch, where TorchScript's tracer would miss them."""
    made = network(depth=1).eval()
    given = inputs(5)
    with torch.no_grad():
        traced = torch.jit.trace(made, given, check_trace=False)
        assert torch.allclose(traced(*given), made(*given), atol=1e-5)


def test_bfloat16_stays_close() -> None:
    made = network()
    x, t, context = inputs()
    with torch.autocast("cpu", torch.bfloat16):
        low = made(x, t, context)
    exact = made(x, t, context)
    assert low.isfinite().all() and bool((low.float() - exact).abs().max() < 0.1 * exact.abs().max())


def test_logits_of_attention_are_bounded_however_large_tokens_grow() -> None:
    attention = SelfAttention(16, 2)
    x = torch.randn(2, 6, 16)
    joint = [attention.queries_keys_values(scale * x) for scale in (1e3, 1e6)]
    queries, keys, _ = split_heads(joint[1], attention.scales, 2)
    logits = torch.einsum("nqhd,nkhd->nhqk", queries, keys) / 8**0.5
    assert float(logits.detach().abs().max()) <= 8**0.5 * 1.001


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"width": 16, "heads": 3}, "heads is 3, which does not divide width 16; give one of"),
        ({"width": 16, "heads": 2, "depth": 0}, "depth=0"),
        ({"width": 0, "heads": 1}, "width=0"),
    ],
)
def test_sizes_that_cannot_be(arguments: dict[str, int], said: str) -> None:
    with pytest.raises(CaloforgeError, match=said):
        DiT(LAYOUT, **arguments)


def test_context_of_another_size_is_named() -> None:
    x, t, context = inputs()
    with pytest.raises(CaloforgeError, match="must have 3 features, but one with 2 features was found"):
        network()(x, t, context[:, :2])
    with pytest.raises(CaloforgeError, match="but none was found"):
        network()(x, t)
