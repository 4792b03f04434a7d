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
    log_prob,
    sample,
)
from caloforge.generative.coupling import Coupling, ExactOT, Independent
from caloforge.generative.distillation import Distillation
from caloforge.generative.flow import Flow, Trace
from caloforge.generative.flow_matching import FlowMatching, OdeSettings, VelocityField
from caloforge.generative.fused_spline import fused_spline
from caloforge.generative.likelihood import MaximumLikelihood
from caloforge.generative.nflows_weights import load_nflows_weights
from caloforge.generative.observation import CrossEntropy, GaussianMixture, Hits, Observation, SideBySide
from caloforge.generative.ode_likelihood import ExactTrace, Hutchinson, JacobianTrace
from caloforge.generative.path import Linear, LipmanGaussian, Path, VariancePreserving, Weights
from caloforge.generative.permutation import Permutation, permutations
from caloforge.generative.prediction import DataPrediction, NoisePrediction, Prediction, VelocityPrediction
from caloforge.generative.sinkhorn import Sinkhorn, sinkhorn_plan
from caloforge.generative.solver import (
    RK4,
    Dopri5,
    Euler,
    Heun,
    Midpoint,
    RungeKutta,
    Solution,
    Solver,
    Tableau,
    TimeGrid,
)
from caloforge.generative.sorted_ot import SortedOT
from caloforge.generative.spline import Knots, normalise, rational_quadratic_spline, spline_from_raw
from caloforge.generative.time_law import LogitNormalTime, Stratified, TimeLaw, UniformTime
from caloforge.generative.univariate import Affine, Spline, Univariate
from caloforge.generative.vae import VAE, EvidenceBound, Posterior
from caloforge.nn.fallback import SlowPathWarning

__all__ = [
    "RK4",
    "VAE",
    "Affine",
    "Autoregressive",
    "Batch",
    "BatchSource",
    "ConditionalOT",
    "Coupling",
    "CrossEntropy",
    "DataPrediction",
    "Density",
    "Distillation",
    "Dopri5",
    "Euler",
    "EvidenceBound",
    "ExactOT",
    "ExactTrace",
    "Flow",
    "FlowMatching",
    "GaussianMixture",
    "Heun",
    "Hits",
    "Hutchinson",
    "Independent",
    "InverseAutoregressive",
    "JacobianTrace",
    "Knots",
    "Linear",
    "LipmanGaussian",
    "LogitNormalTime",
    "MaskedAutoregressive",
    "MaximumLikelihood",
    "Midpoint",
    "Noise",
    "NoisePrediction",
    "Objective",
    "Observation",
    "OdeSettings",
    "Path",
    "Permutation",
    "Posterior",
    "Prediction",
    "RungeKutta",
    "Sampler",
    "SideBySide",
    "Sinkhorn",
    "SlowPathWarning",
    "Solution",
    "Solver",
    "SortedOT",
    "Spline",
    "Stratified",
    "Tableau",
    "TimeGrid",
    "TimeLaw",
    "Trace",
    "Turn",
    "UniformTime",
    "Univariate",
    "VariancePreserving",
    "VelocityField",
    "VelocityPrediction",
    "Weights",
    "assign",
    "draw_noise",
    "fused_spline",
    "load_nflows_weights",
    "log_prob",
    "normalise",
    "permutations",
    "rational_quadratic_spline",
    "sample",
    "sinkhorn_plan",
    "spline_from_raw",
]
