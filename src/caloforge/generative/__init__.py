"""Generative models p(x | c) and the objectives that train them."""

from caloforge.generative.assignment import assign
from caloforge.generative.autoregressive import Autoregressive, InverseAutoregressive, MaskedAutoregressive
from caloforge.generative.conditional_ot import ConditionalOT
from caloforge.generative.contracts import (
    Batch,
    BatchSource,
    Density,
    Noise,
    Objective,
    Sampler,
    Turn,
    draw_noise,
    sample,
)
from caloforge.generative.coupling import Coupling, ExactOT, Independent
from caloforge.generative.distillation import Distillation
from caloforge.generative.fallback import SlowPathWarning
from caloforge.generative.flow import Flow, Trace
from caloforge.generative.fused_spline import fused_spline
from caloforge.generative.likelihood import MaximumLikelihood
from caloforge.generative.nflows_weights import load_nflows_weights
from caloforge.generative.permutation import Permutation, permutations
from caloforge.generative.sinkhorn import Sinkhorn, sinkhorn_plan
from caloforge.generative.sorted_ot import SortedOT
from caloforge.generative.spline import Knots, normalise, rational_quadratic_spline, spline_from_raw
from caloforge.generative.univariate import Affine, Spline, Univariate

__all__ = [
    "Affine",
    "Autoregressive",
    "Batch",
    "BatchSource",
    "ConditionalOT",
    "Coupling",
    "Density",
    "Distillation",
    "ExactOT",
    "Flow",
    "Independent",
    "InverseAutoregressive",
    "Knots",
    "MaskedAutoregressive",
    "MaximumLikelihood",
    "Noise",
    "Objective",
    "Permutation",
    "Sampler",
    "Sinkhorn",
    "SlowPathWarning",
    "SortedOT",
    "Spline",
    "Trace",
    "Turn",
    "Univariate",
    "assign",
    "draw_noise",
    "fused_spline",
    "load_nflows_weights",
    "normalise",
    "permutations",
    "rational_quadratic_spline",
    "sample",
    "sinkhorn_plan",
    "spline_from_raw",
]
