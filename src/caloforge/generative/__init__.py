"""Generative models p(x | c) and the objectives that train them."""

from caloforge.generative.autoregressive import AutoregressiveSpline, InverseAutoregressive, MaskedAutoregressive
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
from caloforge.generative.flow import Flow, Trace
from caloforge.generative.likelihood import MaximumLikelihood
from caloforge.generative.nflows_weights import load_nflows_weights
from caloforge.generative.permutation import Permutation, permutations
from caloforge.generative.spline import Knots, normalise, rational_quadratic_spline, spline_from_raw

__all__ = [
    "AutoregressiveSpline",
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
    "Trace",
    "Turn",
    "draw_noise",
    "load_nflows_weights",
    "normalise",
    "permutations",
    "rational_quadratic_spline",
    "sample",
    "spline_from_raw",
]
