"""A model from a recipe's `model` section, through the table of families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from caloforge.detectors import Detector
from caloforge.models.caloflow import CaloFlowSettings, caloflow
from caloforge.models.flow_matching_showers import FlowMatchingSettings, OneStepSettings, flow_matching, one_step
from caloforge.models.shower_model import ShowerModel
from caloforge.models.vae import VaeGivenEnergiesSettings, VaeSettings, vae, vae_given_energies
from caloforge.registry import Registry

FAMILIES: Registry[Callable[[Mapping[str, Any], Detector], ShowerModel]] = Registry("model family", "caloforge.models")
FAMILIES.add("caloflow", lambda settings, detector: caloflow(CaloFlowSettings.model_validate(settings), detector))
FAMILIES.add(
    "flow-matching",
    lambda settings, detector: flow_matching(FlowMatchingSettings.model_validate(settings), detector),
)
FAMILIES.add(
    "flow-matching-one-step", lambda settings, detector: one_step(OneStepSettings.model_validate(settings), detector)
)
FAMILIES.add("vae", lambda settings, detector: vae(VaeSettings.model_validate(settings), detector))
FAMILIES.add(
    "vae-given-energies",
    lambda settings, detector: vae_given_energies(VaeGivenEnergiesSettings.model_validate(settings), detector),
)


def build(model: Mapping[str, Any], detector: Detector) -> ShowerModel:
    """The untrained model of a recipe for one detector.

    Raises CaloforgeError for an unknown `family`, pydantic's ValidationError for a setting that the family lacks.
    """
    return FAMILIES[str(model.get("family", "caloflow"))](model, detector)
