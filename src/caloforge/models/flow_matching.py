"""What a recipe says about flow matching: the sections that every family with a velocity field shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from torch import nn

from caloforge.errors import CaloforgeError
from caloforge.generative.choices import COUPLINGS, PATHS, PREDICTIONS, SOLVERS, TIME_LAWS, chosen, time_grid
from caloforge.generative.flow_matching import FlowMatching, OdeSettings, VelocityField


def _checked(look_up: Callable[[Any], object]) -> AfterValidator:
    """A check that a value can be looked up, whose error is the sentence of the look-up."""

    def check(value: Any) -> Any:
        try:
            look_up(value)
        except CaloforgeError as error:
            raise PydanticCustomError("choice", "{sentence}", {"sentence": str(error)}) from error
        return value

    return AfterValidator(check)


Named = str | dict[str, Any]
PathName = Annotated[Named, _checked(lambda value: chosen(PATHS, value))]
PredictionName = Annotated[Named, _checked(lambda value: chosen(PREDICTIONS, value))]
CouplingName = Annotated[Named, _checked(lambda value: chosen(COUPLINGS, value))]
TimeLawName = Annotated[Named, _checked(lambda value: chosen(TIME_LAWS, value))]
SolverName = Annotated[Named, _checked(lambda value: chosen(SOLVERS, value))]
Steps = Annotated[int | list[float] | dict[str, Any], _checked(lambda value: OdeSettings(steps=time_grid(value)))]


class OdeSection(BaseModel):
    """How showers are generated from a velocity field; may be changed without training again.

    solver: a name of `SOLVERS`, or a table like {kind: dopri5, rtol: 1e-4}. steps: a number of equal steps, a list of
    times from 0 to 1, or {steps: 8, exponent: 2.0}.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    solver: SolverName = "heun"
    steps: Steps = 16

    def settings(self) -> OdeSettings:
        """The settings of the sampler."""
        return OdeSettings(chosen(SOLVERS, self.solver), time_grid(self.steps))


class FieldSection(OdeSection):
    """A velocity field: how noise is joined to data, what the network says, how it is integrated by default.

    path: a name of `PATHS`, or a table like {kind: lipman, sigma_min: 1e-4}. prediction: a name of `PREDICTIONS`.
    """

    path: PathName = "linear"
    prediction: PredictionName = "velocity"

    def field(self, network: nn.Module, features: int) -> VelocityField:
        """The velocity field of a network over (N, features)."""
        path, prediction = chosen(PATHS, self.path), chosen(PREDICTIONS, self.prediction)
        return VelocityField(network, features, path, prediction, self.settings())


class MatchingSection(BaseModel):
    """How a velocity field is trained.

    coupling: a name of `COUPLINGS`; independent unless the coupling knows the condition, see docs/flow-matching.md.
    time: a name of `TIME_LAWS`, or a table like {kind: logit-normal, mean: 0.4}. measure: a name of `PREDICTIONS`,
    what the squared error is taken of; that of the field's own prediction where not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    coupling: CouplingName = "independent"
    time: TimeLawName = "uniform"
    measure: PredictionName | None = Field(default=None)

    def objective(self, model: nn.Module) -> FlowMatching:
        """The objective that trains the model; raises CaloforgeError where it is no velocity field."""
        measure = None if self.measure is None else chosen(PREDICTIONS, self.measure)
        return FlowMatching(model, chosen(COUPLINGS, self.coupling), chosen(TIME_LAWS, self.time), measure)
