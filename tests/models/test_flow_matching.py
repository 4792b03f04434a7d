"""The parts of flow matching by name, as recipes say them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from torch import nn

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    ConditionalOT,
    Dopri5,
    Heun,
    Independent,
    LipmanGaussian,
    LogitNormalTime,
    Midpoint,
    OdeSettings,
    Stratified,
    TimeGrid,
    UniformTime,
    VelocityPrediction,
)
from caloforge.generative.choices import COUPLINGS, PATHS, PREDICTIONS, SOLVERS, TIME_LAWS, chosen, time_grid
from caloforge.models.flow_matching import FieldSection, MatchingSection, OdeSection
from caloforge.nn import TimedMLP
from caloforge.registry import Registry


@pytest.mark.parametrize("table", [PATHS, PREDICTIONS, TIME_LAWS, COUPLINGS, SOLVERS], ids=lambda table: table.kind)
def test_every_name_makes_its_object(table: Registry[Any]) -> None:
    made = [chosen(table, name) for name in table.names()]
    assert len({type(part) for part in made}) == len(made) >= 3


def test_sections_assemble() -> None:
    field = FieldSection.model_validate(
        {"path": {"kind": "lipman", "sigma_min": 0.01}, "solver": "midpoint", "steps": {"steps": 4, "exponent": 2.0}}
    ).field(TimedMLP(3), 3)
    assert field.path == LipmanGaussian(0.01) and field.prediction == VelocityPrediction()
    assert field.settings == OdeSettings(Midpoint(), TimeGrid.power(4, 2.0))
    said = {
        "coupling": {"kind": "conditional-ot", "weight": 5.0},
        "time": {"kind": "stratified", "law": "logit-normal"},
    }
    objective = MatchingSection.model_validate(said).objective(field)
    assert objective.coupling == ConditionalOT(5.0) and objective.time_law == Stratified(LogitNormalTime())
    assert objective.model is field


def test_defaults_are_those_of_conditional_recipes() -> None:
    objective = MatchingSection().objective(FieldSection().field(TimedMLP(2), 2))
    assert objective.coupling == Independent() and objective.time_law == UniformTime()
    assert objective.model.settings == OdeSettings(Heun(), TimeGrid.uniform(16))
    assert OdeSection(solver={"kind": "dopri5", "rtol": 1e-3}).settings().solver == Dopri5(rtol=1e-3)
    assert OdeSection(steps=[0, 0.5, 1]).settings().grid.times == (0, 0.5, 1)


@pytest.mark.parametrize(
    "section, value, said",
    [
        (FieldSection, {"path": "liner"}, "'liner' is no path .* Did you mean 'linear'"),
        (FieldSection, {"path": {"sigma_min": 0.1}}, "a table with a 'kind'"),
        (FieldSection, {"path": {"kind": "lipman", "sigma": 0.1}}, "no setting 'sigma' .* Did you mean 'sigma_min'"),
        (FieldSection, {"path": {"kind": "lipman", "sigma_min": "x"}}, "'lipman' cannot be made of"),
        (FieldSection, {"prediction": {"kind": "velocity", "floor": 1}}, "it has none"),
        (OdeSection, {"solver": {"kind": "dopri5", "rtol": 0.0}}, "rtol=0; give a positive tolerance"),
        (OdeSection, {"steps": 0}, "steps=0"),
        (OdeSection, {"steps": [0, 0.5, 0.5, 1]}, "finite and increasing"),
        (OdeSection, {"steps": [0, 0.5]}, r"from 0 to 0\.5"),
        (OdeSection, {"steps": {"step": 3}}, "give a number of steps"),
        (MatchingSection, {"coupling": "ot"}, "'ot' is no coupling"),
        (MatchingSection, {"time": {"kind": "stratified", "law": "normal"}}, "'normal' is no law of times"),
    ],
)
def test_mistakes_are_named(section: Any, value: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        section.model_validate(value)


def test_other_models_are_refused() -> None:
    with pytest.raises(CaloforgeError, match="no VelocityField"):
        MatchingSection().objective(nn.Linear(2, 2))
    with pytest.raises(CaloforgeError, match="steps are 'many'"):
        time_grid("many")  # type: ignore[arg-type]
