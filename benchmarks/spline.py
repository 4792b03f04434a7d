"""The rational-quadratic spline beside nflows': a million elements, 8 bins, linear tails, forward and inverse.

One core, float32, in turns, medians. With gradients: values, then the gradients of their sum with respect to
arguments and raw parameters.

    python benchmarks/spline.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import sys
from statistics import median

import torch
from harness import Goals, quick, seconds, setting, spread
from nflows.transforms.splines import unconstrained_rational_quadratic_spline

from caloforge.generative import fused_spline

ELEMENTS, BINS, BOUND, GOAL = 1_000_000, 8, 14.0, 8.0
FLOORS = {"min_bin_width": 1e-6, "min_bin_height": 1e-6, "min_derivative": 1e-6}


def ours(x: torch.Tensor, raw: torch.Tensor, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """caloforge's spline."""
    return fused_spline(x, raw, inverse, BOUND)


def theirs(x: torch.Tensor, raw: torch.Tensor, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """nflows' spline of the same parameters."""
    widths, heights, slopes = raw.split([BINS, BINS, BINS - 1], -1)
    return unconstrained_rational_quadratic_spline(
        x, widths, heights, slopes, inverse=inverse, tails="linear", tail_bound=BOUND, **FLOORS
    )


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    repeats = 6 if quick(__doc__) else 15
    print(setting(("caloforge", "torch", "nflows", "numba")))
    x, raw = 4 * torch.randn(ELEMENTS), torch.randn(ELEMENTS, 3 * BINS - 1)
    goals = Goals("spline")
    for inverse in (False, True):
        for gradients in (True, False):
            a, r = (tensor.clone().requires_grad_(gradients) for tensor in (x, raw))

            def run(spline, a=a, r=r, inverse=inverse, gradients=gradients) -> None:  # type: ignore[no-untyped-def]
                y, logabsdet = spline(a, r, inverse)
                if gradients:
                    torch.autograd.grad(y.sum() + logabsdet.sum(), (a, r))

            times = seconds({"nflows": lambda run=run: run(theirs), "ours": lambda run=run: run(ours)}, repeats)
            ratio = median(times["nflows"]) / median(times["ours"])
            label = f"{'inverse' if inverse else 'forward'} {'with' if gradients else 'without'} gradients"
            print(f"{label}: nflows {spread(times['nflows'])}, ours {spread(times['ours'])}, {ratio:.1f} times faster")
            if gradients:
                goals.at_least(f"times faster, {label}", ratio, GOAL)
    with torch.no_grad():
        sample = slice(0, 100_000)
        exact = theirs(x[sample].double(), raw[sample].double(), False)[0]
        error = (ours(x[sample], raw[sample], False)[0] - exact).abs().max().item()
        their_error = (theirs(x[sample], raw[sample], False)[0] - exact).abs().max().item()
    print(f"largest error against float64: ours {error:.1e}, nflows {their_error:.1e}")
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
