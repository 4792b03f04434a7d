"""What a recipe or the command line says of integration, turned into objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from caloforge.errors import CaloforgeError
from caloforge.generative.flow_matching import OdeSettings
from caloforge.generative.solver import RK4, Dopri5, Euler, Heun, Midpoint, Solver, TimeGrid

SOLVERS: dict[str, Callable[[float], Solver]] = {
    "euler": lambda tolerance: Euler(),
    "midpoint": lambda tolerance: Midpoint(),
    "heun": lambda tolerance: Heun(),
    "rk4": lambda tolerance: RK4(),
    "dopri5": lambda tolerance: Dopri5(tolerance, tolerance),
}


class SamplerSettings(BaseModel):
    """How a velocity field is integrated from noise to showers.

    solver: one of SOLVERS. steps: from t = 0 to 1; `grid`: the exponent of `TimeGrid.power` (1: equal steps, above:
    shorter towards the data). tolerance: relative and absolute, of dopri5 alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    solver: Literal["euler", "midpoint", "heun", "rk4", "dopri5"] = "heun"
    steps: int = Field(default=16, ge=1)
    grid: float = Field(default=1.0, gt=0)
    tolerance: float = Field(default=1e-4, gt=0)

    def settings(self) -> OdeSettings:
        """The settings as the velocity field takes them."""
        return OdeSettings(SOLVERS[self.solver](self.tolerance), TimeGrid.power(self.steps, self.grid))


def chosen_sampler(
    model: Mapping[str, Any], solver: str | None, steps: int | None, recipe: str
) -> SamplerSettings | None:
    """The sampler in a recipe's `model` section, its solver and steps replaced where given; None where it has none.

    Raises CaloforgeError for an unknown solver, and where one is given for a model that is not integrated.
    """
    if "sampler" not in model:
        if solver is None and steps is None:
            return None
        raise CaloforgeError(
            f"--solver and --steps are for models that are integrated, which '{recipe}' is not; leave them out."
        )
    if solver is not None and solver not in SOLVERS:
        raise CaloforgeError(f"--solver is '{solver}'; give one of {', '.join(SOLVERS)}.")
    if steps is not None and steps < 1:
        raise CaloforgeError(f"--steps is {steps}; give at least 1.")
    changes = {name: value for name, value in (("solver", solver), ("steps", steps)) if value is not None}
    return SamplerSettings.model_validate({**model["sampler"], **changes})
