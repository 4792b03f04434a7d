"""The ds2 DiT beside the same width and depth written plainly with torch.nn.TransformerEncoder.

CaloDREAM's size: 135 patches of 3 x 16 x 1 voxels, width 480, 6 blocks of 6 heads, perceptrons of 1920. Both gather the
same patches; the plain one takes time and conditions as a vector added to every token, has LayerNorm before attention
and perceptron, GELU and no dropout. A training step is loss, gradients and AdamW; a sampling step is one evaluation of
the velocity without gradients. The bound is the matrix products of the DiT's blocks alone, forward and backward, those
of attention included. One core, float32, in turns, medians. Where there is a GPU, the same in bfloat16 and compiled.

    python benchmarks/dit_step.py [--quick]

Exit code 0 only where all goals are met; goals that need a GPU are listed as not measured where there is none.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from harness import Goals, quick, ratio_of_turns, seconds, setting, spread
from torch import Tensor, nn
from torch.nn import functional as F

from caloforge.detectors import preset
from caloforge.models.patching import patch_layout
from caloforge.nn import DiT, PatchLayout
from caloforge.nn.patches import PatchEmbedding, PatchOutput

WIDTH, DEPTH, HEADS, CONTEXT, BATCH = 480, 6, 6, 46, 16
PRODUCTS_GOAL, GPU_TRAINING_GOAL, GPU_SAMPLING_GOAL, GPU_BATCH = 1.3, 1.2, 1.5, 128


class Plain(nn.Module):
    """What one writes first: patches, learned positions, conditions added to every token, TransformerEncoder."""

    def __init__(self, layout: PatchLayout) -> None:
        super().__init__()
        self.embedding, self.output = PatchEmbedding(layout, WIDTH), PatchOutput(layout, WIDTH)
        self.position = nn.Parameter(0.02 * torch.randn(layout.tokens, WIDTH))
        self.condition = nn.Sequential(nn.Linear(1 + CONTEXT, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, DEPTH, nn.LayerNorm(WIDTH), enable_nested_tensor=False)

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """Velocities (N, D)."""
        condition = self.condition(torch.cat([t[:, None], context], -1))
        out: Tensor = self.output(self.encoder(self.embedding(x) + self.position + condition[:, None]))
        return out


def steps(
    network: nn.Module, n: int, features: int, device: str = "cpu", low: bool = False
) -> tuple[Callable[[], object], Callable[[], object]]:
    """A training step and a sampling step of a network for a batch of n."""
    draw = partial(torch.randn, device=device)
    x, target, context, t = draw(n, features), draw(n, features), draw(n, CONTEXT), torch.rand(n, device=device)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4, fused=True)

    def train() -> None:
        network.train()
        with torch.autocast(device, torch.bfloat16, enabled=low):
            loss = F.mse_loss(network(x, t, context).float(), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def sample() -> None:
        network.eval()
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=low):
            network(x, t, context)

    return train, sample


def products(tokens: int, n: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """The products of all blocks alone: forward and backward, and forward."""
    rows, size = n * tokens, WIDTH // HEADS
    shapes = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH))
    dense = [(torch.randn(rows, a), torch.randn(b, a), torch.randn(rows, b)) for a, b in shapes]
    q, k, v, g = (torch.randn(n * HEADS, tokens, size) for _ in range(4))
    weights = torch.randn(n * HEADS, tokens, tokens)

    def forward() -> None:
        for x, weight, _ in dense:
            torch.mm(x, weight.t())
        torch.bmm(q, k.transpose(1, 2))
        torch.bmm(weights, v)

    def backward() -> None:
        for x, weight, gradient in dense:
            torch.mm(gradient, weight)
            torch.mm(gradient.t(), x)
        torch.bmm(g, v.transpose(1, 2))
        torch.bmm(weights.transpose(1, 2), g)
        torch.bmm(weights, k)
        torch.bmm(weights.transpose(1, 2), q)

    def training() -> None:
        for _ in range(DEPTH):
            forward()
        for _ in range(DEPTH):
            backward()

    def sampling() -> None:
        for _ in range(DEPTH):
            forward()

    return training, sampling


def on_gpu(layout: PatchLayout, goals: Goals) -> None:
    """The goals of a GPU, bfloat16 and compiled against the plain one in bfloat16, or that there is none."""
    if not torch.cuda.is_available():
        for what in ("training", "sampling"):
            print(f"goal: times faster than the plain one per {what} step on a GPU: not measured, there is no GPU")
        return
    print(torch.cuda.get_device_name())
    runs: dict[str, Callable[[], object]] = {}
    for name, network in (("plain", Plain(layout)), ("DiT", torch.compile(DiT(layout, WIDTH, DEPTH, HEADS, CONTEXT)))):
        both = steps(network.cuda(), GPU_BATCH, layout.features, "cuda", low=True)
        for kind, step in zip(("training", "sampling"), both, strict=True):
            runs[f"{name}, {kind} step"] = partial(_synchronised, step)
    for run in runs.values():
        run()
    times = seconds(runs, 20)
    for name, found in times.items():
        print(f"{name}, batch {GPU_BATCH}, bfloat16: {spread(found)}")
    for kind, goal in (("training", GPU_TRAINING_GOAL), ("sampling", GPU_SAMPLING_GOAL)):
        ratio = statistics.median(times[f"plain, {kind} step"]) / statistics.median(times[f"DiT, {kind} step"])
        goals.at_least(f"times faster than the plain one per {kind} step on a GPU", ratio, goal)


def _synchronised(step: Callable[[], object]) -> None:
    step()
    torch.cuda.synchronize()


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    fast = quick(__doc__)
    n, repeats = (BATCH, 2) if fast else (BATCH, 9)
    print(setting(("caloforge", "torch", "numba")) + f"; batch {n}")
    layout = patch_layout(preset("ds2"), (3, 16, 1))
    networks = {"DiT": DiT(layout, WIDTH, DEPTH, HEADS, CONTEXT), "plain": Plain(layout)}
    runs: dict[str, Callable[[], object]] = {}
    for name, both in (
        *((name, steps(network, n, layout.features)) for name, network in networks.items()),
        ("products", products(layout.tokens, n)),
    ):
        runs[f"{name}, training step"], runs[f"{name}, sampling step"] = both
    started = time.perf_counter()
    times = seconds(runs, repeats)
    for name, found in times.items():
        print(f"{name}: {spread(found)}")
    print(f"{repeats} turns in {time.perf_counter() - started:.0f} s")
    goals = Goals("dit_step")
    for kind in ("training", "sampling"):
        ours, plain, bound = (times[f"{name}, {kind} step"] for name in ("DiT", "plain", "products"))
        goals.at_least(f"speed beside the plain one, {kind} step", ratio_of_turns(plain, ours), 1.0)
        goals.at_most(
            f"time over that of the matrix products alone, {kind} step", ratio_of_turns(ours, bound), PRODUCTS_GOAL
        )
    on_gpu(layout, goals)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
