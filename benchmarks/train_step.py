"""One training step of a block of CaloFlow's teacher beside the same architecture in nflows.

504 dimensions, a MADE of two layers of 378 units, 8 bins, a context of 4, batch 200: loss, gradients and AdamW. One
core, float32, in turns, medians. Three matrices alone, forward and backward, are the bound of dense products. Peak
memory is measured in processes of their own, as the largest resident set above that before the steps (Linux).

    python benchmarks/train_step.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from statistics import median

import torch
from caloflow_block import BINS, BOUND, CONTEXT, FEATURES, HIDDEN, SIZES, nflows_block
from harness import Goals, dense_products, quick, seconds, setting, spread

from caloforge.generative import MaskedAutoregressive, Spline
from caloforge.nn import MADE

BATCH, GOAL = 200, 1.8


def steps() -> dict[str, Callable[[], None]]:
    """One training step of each, over data of its own seed."""
    theirs = nflows_block()
    ours = MaskedAutoregressive(MADE(FEATURES, (HIDDEN, HIDDEN), 3 * BINS - 1, CONTEXT), Spline(BINS, BOUND))
    x, context = torch.randn(BATCH, FEATURES), torch.randn(BATCH, CONTEXT)

    def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        z, logabsdet = model(x, context)
        loss = (0.5 * (z * z).sum(-1) - logabsdet).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    optimizers = {
        "nflows": (theirs, torch.optim.AdamW(theirs.parameters(), 1e-4)),
        "ours": (ours, torch.optim.AdamW(ours.parameters(), 1e-4, fused=True)),
    }
    return {name: (lambda pair=pair: step(*pair)) for name, pair in optimizers.items()}


def peak_mib(name: str) -> float:
    """Peak memory (Linux) of three steps above what the process held before them, in MiB."""
    script = (
        "import re, torch, train_step\n"
        "torch.set_num_threads(1); torch.manual_seed(0)\n"
        f"step = train_step.steps()['{name}']\n"
        "def kib(key): return int(re.search(key + r':\\s+(\\d+)', open('/proc/self/status').read()).group(1))\n"
        "open('/proc/self/clear_refs', 'w').write('5')\n"
        "before = kib('VmRSS')\n"
        "[step() for _ in range(3)]\n"
        "print((kib('VmHWM') - before) / 1024)\n"
    )
    folder = __file__.rpartition("/")[0] or "."
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    repeats = 5 if quick(__doc__) else 25
    print(setting(("caloforge", "torch", "nflows", "numba")))
    times = seconds({**steps(), "products": dense_products(BATCH, SIZES)}, repeats)
    ratio = median(times["nflows"]) / median(times["ours"])
    for name in ("nflows", "ours", "products"):
        memory = f", peak memory {peak_mib(name):.0f} MiB above the start" if name != "products" else ""
        print(f"{name}: {spread(times[name])}{memory}")
    goals = Goals("train_step")
    goals.at_least(f"times faster than nflows at batch {BATCH}", ratio, GOAL)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
