"""Sampling from CaloFlow's masked autoregressive block: our walk beside nflows' and zuko's inverse.

The block has CaloFlow's size: 504 dimensions, a MADE of two layers of 378 units (nflows' `num_blocks=1`,
`use_residual_blocks=False`), 8 bins, tail bound 14, a context of 4. nflows holds the same weights; zuko is parametrised
otherwise and is timed only. Both make one full pass for every dimension: PASSES of them are timed and scaled. The
dense products are the three matrices of the MADE alone, none left out. One core, float32, in turns, medians.

    python benchmarks/maf_sampling.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import sys
from statistics import median

import torch
from caloflow_block import BINS, BOUND, CONTEXT, FEATURES, HIDDEN, SIZES, nflows_block
from harness import Goals, quick, seconds, setting, spread
from nflows.transforms import MaskedPiecewiseRationalQuadraticAutoregressiveTransform
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.transforms import MonotonicRQSTransform

from caloforge.generative import MaskedAutoregressive, Spline, load_nflows_weights
from caloforge.nn import MADE

PASSES = 32
GOALS, TOLERANCE, UNITS = {1: 200.0, 100: 400.0}, 1e-4, 3.0


def build() -> tuple[MaskedPiecewiseRationalQuadraticAutoregressiveTransform, MaskedAutoregressive]:
    """nflows' transform and our block with the same weights."""
    theirs = nflows_block(min_bin_width=1e-6, min_bin_height=1e-6, min_derivative=1e-6)
    made = MADE(FEATURES, (HIDDEN, HIDDEN), 3 * BINS - 1, CONTEXT, degrees="nflows", context_mode="nflows")
    ours = MaskedAutoregressive(made, Spline(BINS, BOUND))
    load_nflows_weights(ours, theirs.state_dict())
    return theirs.eval(), ours.eval()


def zuko_block() -> MaskedAutoregressiveTransform:
    """zuko's transform of the same sizes."""
    shapes = [(BINS,), (BINS,), (BINS - 1,)]
    return MaskedAutoregressiveTransform(
        FEATURES, CONTEXT, univariate=MonotonicRQSTransform, shapes=shapes, hidden_features=(HIDDEN, HIDDEN)
    )


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    fast = quick(__doc__)
    print(setting(("caloforge", "torch", "nflows", "zuko", "numba")))
    print(
        f"{FEATURES} dimensions, 2 x {HIDDEN} units, {BINS} bins; nflows, zuko: {PASSES} of {FEATURES} passes, scaled"
    )
    theirs, ours = build()
    other = zuko_block()
    goals = Goals("maf_sampling")
    with torch.inference_mode():
        for batch, repeats in ((1, 3), (100, 2)) if fast else ((1, 9), (100, 5), (1000, 3)):
            z, context = torch.randn(batch, FEATURES), torch.randn(batch, CONTEXT)
            matrices = [torch.randn(a, b) for a, b in SIZES]
            inputs = [torch.randn(batch, len(matrix)) for matrix in matrices]

            def nflows_passes(z=z, context=context) -> None:
                x = torch.zeros_like(z)
                for _ in range(PASSES):
                    x, _ = theirs._elementwise_inverse(z, theirs.autoregressive_net(x, context))

            def zuko_passes(z=z, context=context) -> None:
                transform, x = other(context), torch.zeros_like(z)
                for _ in range(PASSES):
                    x = transform.meta(x).inv(z)

            times = seconds(
                {
                    "nflows": nflows_passes,
                    "zuko": zuko_passes,
                    "ours": lambda z=z, context=context: ours.inverse(z, context),
                    "products": lambda inputs=inputs, m=matrices: [a @ b for a, b in zip(inputs, m, strict=True)],
                },
                repeats,
            )
            for name in ("nflows", "zuko"):
                times[name] = [time * FEATURES / PASSES for time in times[name]]
            mine = median(times["ours"])
            fastest = min(median(times["nflows"]), median(times["zuko"]))
            units = mine / median(times["products"])
            print(
                f"batch {batch}: nflows {median(times['nflows']):.2f} s, zuko {median(times['zuko']):.2f} s, ours"
                f" {spread(times['ours'])}: {fastest / mine:.0f} times faster, {units:.2f} times the dense products"
            )
            if batch in GOALS:
                goals.at_least(f"times faster than the faster of them at batch {batch}", fastest / mine, GOALS[batch])
            if batch == 100:
                goals.at_most("times the dense products at batch 100", units, UNITS)
        # All 504 passes once, in a small batch, for the numbers themselves.
        z, context = torch.randn(1 if fast else 10, FEATURES), torch.randn(1 if fast else 10, CONTEXT)
        difference = (theirs.inverse(z, context)[0] - ours.inverse(z, context)).abs().max().item()
    goals.at_most("largest difference from nflows", difference, TOLERANCE)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
