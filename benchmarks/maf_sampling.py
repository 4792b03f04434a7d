"""Sampling from CaloFlow's masked autoregressive block: our walk beside nflows' inverse, on the same weights.

The block has CaloFlow's size: 504 dimensions, a feed-forward MADE of two layers of 378 units (nflows' `num_blocks=1`,
`use_residual_blocks=False`), 8 bins, tail bound 14, a context of 4. Both run on one core in float32, in turns, and the
median of the repeats counts. nflows' inverse makes one full pass per dimension; PASSES of them are timed and scaled.

    python benchmarks/maf_sampling.py [--quick]

Every goal has its line; the last line is `maf_sampling: RATIO (goal 1)`, the smallest measured over its goal.
Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import torch  # noqa: E402
from nflows.transforms import MaskedPiecewiseRationalQuadraticAutoregressiveTransform  # noqa: E402

from caloforge.generative import MaskedAutoregressive, Spline, load_nflows_weights  # noqa: E402
from caloforge.nn import MADE  # noqa: E402

FEATURES, HIDDEN, BINS, BOUND, CONTEXT, PASSES = 504, 378, 8, 14.0, 4, 32
SPEED_GOAL, SPEED_BATCH, TOLERANCE = 50.0, 100, 1e-4


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def build() -> tuple[MaskedPiecewiseRationalQuadraticAutoregressiveTransform, MaskedAutoregressive]:
    """nflows' transform and our block with the same weights."""
    floors = {"min_bin_width": 1e-6, "min_bin_height": 1e-6, "min_derivative": 1e-6}
    theirs = MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        FEATURES,
        HIDDEN,
        context_features=CONTEXT,
        num_bins=BINS,
        tails="linear",
        tail_bound=BOUND,
        num_blocks=1,
        use_residual_blocks=False,
        **floors,
    )
    made = MADE(FEATURES, (HIDDEN, HIDDEN), 3 * BINS - 1, CONTEXT, degrees="nflows", context_mode="nflows")
    ours = MaskedAutoregressive(made, Spline(BINS, BOUND))
    load_nflows_weights(ours, theirs.state_dict())
    return theirs.eval(), ours.eval()


def their_passes(theirs: MaskedPiecewiseRationalQuadraticAutoregressiveTransform, z, context, passes: int):  # type: ignore[no-untyped-def]
    """The first passes of nflows' inverse, which has one for every dimension."""
    x = torch.zeros_like(z)
    for _ in range(passes):
        x, _ = theirs._elementwise_inverse(z, theirs.autoregressive_net(x, context))
    return x


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="batches 1 and 100 only, fewer repeats, under a minute")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.manual_seed(0)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "nflows"))
    print(f"{processor()}; 1 thread; float32; Python {platform.python_version()}; {versions}")
    print(f"{FEATURES} dimensions, 2 x {HIDDEN} units, {BINS} bins; nflows: {PASSES} of {FEATURES} passes, scaled")
    theirs, ours = build()
    ratios: dict[int, float] = {}
    with torch.inference_mode():
        for batch, repeats in ((1, 3), (100, 3)) if quick else ((1, 7), (100, 5), (1000, 3)):
            z, context = torch.randn(batch, FEATURES), torch.randn(batch, CONTEXT)
            ours.inverse(z, context)
            their_passes(theirs, z, context, 2)
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(repeats):
                start = time.perf_counter()
                their_passes(theirs, z, context, PASSES)
                middle = time.perf_counter()
                ours.inverse(z, context)
                times[0].append((middle - start) * FEATURES / PASSES)
                times[1].append(time.perf_counter() - middle)
            slow, fast = (statistics.median(part) for part in times)
            ratios[batch] = slow / fast
            print(
                f"batch {batch}: nflows {slow:.2f} s, ours {fast * 1e3:.0f} ms"
                f" ({min(times[1]) * 1e3:.0f} to {max(times[1]) * 1e3:.0f}), {slow / fast:.0f} times faster"
            )
        # All 504 passes once, in a small batch, for the numbers themselves.
        z, context = torch.randn(1 if quick else 10, FEATURES), torch.randn(1 if quick else 10, CONTEXT)
        difference = (theirs.inverse(z, context)[0] - ours.inverse(z, context)).abs().max().item()
    speed = ratios[SPEED_BATCH] / SPEED_GOAL
    print(
        f"goal: {SPEED_GOAL:g} times faster at batch {SPEED_BATCH}: {ratios[SPEED_BATCH]:.0f}, {_verdict(speed >= 1)}"
    )
    same = difference <= TOLERANCE
    print(f"goal: same numbers to {TOLERANCE:g}: largest difference {difference:.1e}, {_verdict(same)}")
    ratio = speed if same else min(speed, TOLERANCE / difference)
    print(f"maf_sampling: {ratio:.2f} (goal 1)")
    return 0 if ratio >= 1 else 1


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
