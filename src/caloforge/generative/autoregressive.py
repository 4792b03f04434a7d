"""Autoregressive blocks: one masked pass in one direction, one walk over the features in the other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError
from caloforge.generative.fast_walk import fast_walk
from caloforge.generative.univariate import Spline, Univariate
from caloforge.generative.walk import Layers, walk
from caloforge.nn.fallback import kernels_apply
from caloforge.nn.made import MADE


class Pass(NamedTuple):
    """One dense pass: the block's other side (N, D), log |d other / d input| (N,), and MADE's outputs (N, D, P)."""

    value: Tensor
    logabsdet: Tensor
    parameters: Tensor


class Autoregressive(nn.Module):
    """z_d = S(x_d; p_d) with p_d given by MADE from the features before d of x or, if `reverse`, of z.

    made: gives `univariate.parameters` numbers per feature; univariate: the map S. `dense` goes from the side that
    MADE reads to the other one in one pass; `walk` goes back and computes every hidden unit once. Coupling is the
    case of a MADE with `passes=2`. Follows Papamakarios et al., arXiv:1705.07057, and Kingma et al., arXiv:1606.04934.
    Raises CaloforgeError where MADE has another number of outputs.
    """

    def __init__(self, made: MADE, univariate: Univariate | None = None, reverse: bool = False) -> None:
        super().__init__()
        self.univariate: Univariate = Spline() if univariate is None else univariate
        if made.parameters_per_feature != self.univariate.parameters:
            raise CaloforgeError(
                f"MADE gives {made.parameters_per_feature} parameters per feature, but {self.univariate} needs"
                f" {self.univariate.parameters}; build it with as many."
            )
        self.made, self.reverse = made, reverse

    def dense(self, value: Tensor, context: Tensor | None = None, need_logabsdet: bool = True) -> Pass:
        """One pass from the side that MADE reads, value (N, D), to the other side."""
        raw: Tensor = self.made(value, context)
        other, logabsdet = self.univariate(value, raw, self.reverse, need_logabsdet)
        return Pass(other, logabsdet.sum(-1), raw)

    def walk(self, other: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """From the other side (N, D) back to the side that MADE reads, and log |d result / d other| (N,).

        Dropout is off, and autocast too: errors add up along a walk. A spline in float32 on a CPU takes the kernel,
        everything else plain torch.
        """
        with torch.autocast(other.device.type, enabled=False):
            first = self.made.context_term(None if context is None else context.to(other.dtype))
            layers = Layers.of(self.made)
            if isinstance(self.univariate, Spline) and kernels_apply(other, layers.output_weight):
                return fast_walk(other, first, layers, self.univariate, not self.reverse)
            return walk(other, first, layers, self.univariate, not self.reverse)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z (N, D) and log |dz/dx| (N,)."""
        if self.reverse:
            return self.walk(x, context)
        result = self.dense(x, context)
        return result.value, result.logabsdet

    def inverse(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """x (N, D)."""
        return self.dense(z, context, need_logabsdet=False).value if self.reverse else self.walk(z, context)[0]


class MaskedAutoregressive(Autoregressive):
    """Density in one pass (x -> z), sampling by one walk."""

    def __init__(self, made: MADE, univariate: Univariate | None = None) -> None:
        super().__init__(made, univariate, reverse=False)


class InverseAutoregressive(Autoregressive):
    """Sampling in one pass (z -> x), density by one walk; the same map for the same MADE outputs."""

    def __init__(self, made: MADE, univariate: Univariate | None = None) -> None:
        super().__init__(made, univariate, reverse=True)
