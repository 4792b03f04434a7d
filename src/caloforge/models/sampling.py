"""How showers are integrated: as the recipe says, or as the command line says instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caloforge.errors import CaloforgeError
from caloforge.generative.choices import SOLVERS, chosen
from caloforge.models.flow_matching import FieldSection, OdeSection


def chosen_sampler(model: Mapping[str, Any], solver: str | None, steps: int | None, recipe: str) -> OdeSection | None:
    """Solver and steps in a recipe's `model` section, replaced where given; None where the model has no `field`.

    Raises CaloforgeError for an unknown solver, and where one is given for a model that is not integrated.
    """
    if "field" not in model:
        if solver is None and steps is None:
            return None
        raise CaloforgeError(
            f"--solver and --steps are for models that are integrated, which '{recipe}' is not; leave them out."
        )
    if solver is not None:
        chosen(SOLVERS, solver)
    if steps is not None and steps < 1:
        raise CaloforgeError(f"--steps is {steps}; give at least 1.")
    own = FieldSection.model_validate(model["field"])
    return OdeSection(solver=own.solver if solver is None else solver, steps=own.steps if steps is None else steps)
