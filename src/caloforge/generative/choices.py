"""The parts of flow matching by name: tables in which recipes and the command line look them up."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from caloforge.errors import CaloforgeError
from caloforge.generative.conditional_ot import ConditionalOT
from caloforge.generative.coupling import Coupling, ExactOT, Independent
from caloforge.generative.path import Linear, LipmanGaussian, Path, VariancePreserving
from caloforge.generative.prediction import DataPrediction, NoisePrediction, Prediction, VelocityPrediction
from caloforge.generative.sinkhorn import Sinkhorn
from caloforge.generative.solver import RK4, Dopri5, Euler, Heun, Midpoint, Solver, TimeGrid
from caloforge.generative.sorted_ot import SortedOT
from caloforge.generative.time_law import LogitNormalTime, Stratified, TimeLaw, UniformTime
from caloforge.registry import Registry, nearest

T = TypeVar("T")

PATHS: Registry[Callable[..., Path]] = Registry("path", "caloforge.paths")
PREDICTIONS: Registry[Callable[..., Prediction]] = Registry("prediction", "caloforge.predictions")
TIME_LAWS: Registry[Callable[..., TimeLaw]] = Registry("law of times", "caloforge.time_laws")
COUPLINGS: Registry[Callable[..., Coupling]] = Registry("coupling", "caloforge.couplings")
SOLVERS: Registry[Callable[..., Solver]] = Registry("solver", "caloforge.solvers")

PATHS.add("linear", Linear)
PATHS.add("lipman", LipmanGaussian)
PATHS.add("variance-preserving", VariancePreserving)
PREDICTIONS.add("velocity", VelocityPrediction)
PREDICTIONS.add("data", DataPrediction)
PREDICTIONS.add("noise", NoisePrediction)
COUPLINGS.add("independent", Independent)
COUPLINGS.add("exact-ot", ExactOT)
COUPLINGS.add("sinkhorn", Sinkhorn)
COUPLINGS.add("sorted-ot", SortedOT)
COUPLINGS.add("conditional-ot", ConditionalOT)
SOLVERS.add("euler", Euler)
SOLVERS.add("midpoint", Midpoint)
SOLVERS.add("heun", Heun)
SOLVERS.add("rk4", RK4)
SOLVERS.add("dopri5", Dopri5)


def _stratified(law: str | Mapping[str, Any] = "uniform") -> Stratified:
    return Stratified(chosen(TIME_LAWS, law))


TIME_LAWS.add("uniform", UniformTime)
TIME_LAWS.add("logit-normal", LogitNormalTime)
TIME_LAWS.add("stratified", _stratified)


def chosen(table: Registry[Callable[..., T]], value: str | Mapping[str, Any]) -> T:
    """The object that a name means, or a table of settings with the name under `kind`.

        chosen(PATHS, "linear")
        chosen(PATHS, {"kind": "lipman", "sigma_min": 1e-4})

    Raises CaloforgeError for a name or a setting that there is not, with the nearest one.
    """
    settings = {"kind": value} if isinstance(value, str) else dict(value)
    name = settings.pop("kind", None)
    if not isinstance(name, str):
        raise CaloforgeError(
            f"A {table.kind} is a name or a table with a 'kind' ({', '.join(table.names())}), but found {value!r}."
        )
    make = table[name]
    known = list(inspect.signature(make).parameters)
    for key in settings:
        if key not in known:
            raise CaloforgeError(
                f"The {table.kind} '{name}' has no setting '{key}' ({', '.join(known) or 'it has none'})."
                f"{nearest(str(key), known)}"
            )
    try:
        return make(**settings)
    except TypeError as error:
        raise CaloforgeError(f"The {table.kind} '{name}' cannot be made of {settings} ({error}).") from error


def time_grid(value: int | Sequence[float] | Mapping[str, Any]) -> TimeGrid:
    """A grid over [0, 1]: of so many equal steps, of these times, or of {"steps": 8, "exponent": 2.0}.

    Raises CaloforgeError for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return TimeGrid.uniform(value)
    try:
        if isinstance(value, Mapping):
            return TimeGrid.power(**value)
        if not isinstance(value, bool | str):
            return TimeGrid(tuple(float(time) for time in value))
    except (TypeError, ValueError):
        pass
    raise CaloforgeError(
        f"The steps are {value!r}; give a number of steps, increasing times like [0, 0.5, 1], or"
        " {steps: 8, exponent: 2.0}."
    )
