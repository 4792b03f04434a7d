"""Generative models p(x | c) and the objectives that train them."""

from caloforge.generative.autoregressive import Autoregressive, InverseAutoregressive, MaskedAutoregressive
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
from caloforge.generative.distillation import Distillation
from caloforge.nn.fallback import SlowPathWarning
from caloforge.generative.flow import Flow, Trace
from caloforge.generative.fused_spline import fused_spline
from caloforge.generative.likelihood import MaximumLikelihood
from caloforge.generative.nflows_weights import load_nflows_weights
from caloforge.generative.permutation import Permutation, permutations
from caloforge.generative.spline import Knots, normalise, rational_quadratic_spline, spline_from_raw
from caloforge.generative.univariate import Affine, Spline, Univariate

__all__ = [
    "Affine",
    "Autoregressive",
    "Batch",
    "BatchSource",
    "Density",
    "Distillation",
    "Flow",
    "InverseAutoregressive",
    "Knots",
    "MaskedAutoregressive",
    "MaximumLikelihood",
    "Noise",
    "Objective",
    "Permutation",
    "Sampler",
    "SlowPathWarning",
    "Spline",
    "Trace",
    "Turn",
    "Univariate",
    "draw_noise",
    "fused_spline",
    "load_nflows_weights",
    "normalise",
    "permutations",
    "rational_quadratic_spline",
    "sample",
    "spline_from_raw",
]
