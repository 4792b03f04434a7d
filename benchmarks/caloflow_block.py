"""A block of CaloFlow's teacher in its published size, as nflows builds it: the peer of two benchmarks."""

from __future__ import annotations

from nflows.transforms import MaskedPiecewiseRationalQuadraticAutoregressiveTransform

FEATURES, HIDDEN, BINS, BOUND, CONTEXT = 504, 378, 8, 14.0, 4
SIZES = ((FEATURES, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, FEATURES * (3 * BINS - 1)))
"""Inputs and outputs of the three matrices of its MADE."""


def nflows_block(**floors: float) -> MaskedPiecewiseRationalQuadraticAutoregressiveTransform:
    """nflows' transform with random weights; floors: min_bin_width and the like, nflows' own by default."""
    return MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        FEATURES, HIDDEN, context_features=CONTEXT, num_bins=BINS, tails="linear", tail_bound=BOUND, num_blocks=1,
        use_residual_blocks=False, **floors,
    )  # fmt: skip
