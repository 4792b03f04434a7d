"""A model from a recipe's `model` section, through the table of families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from caloforge.detectors import Detector
from caloforge.models.caloflow import CaloFlowSettings, caloflow
from caloforge.models.flow_matching_showers import FlowMatchingSettings, OneStepSettings, flow_matching, one_step
from caloforge.models.shower_model import ShowerModel
from caloforge.models.vae import VaeGivenEnergiesSettings, VaeSettings, vae, vae_given_energies
from caloforge.registry import Registry


@dataclass(frozen=True)
class Family:
    """A family of models: what a recipe's `model` may say, which factors its stages train, and what assembles it."""

    settings: type[BaseModel]
    factors: tuple[str, ...]
    assemble: Callable[[Any, Detector], ShowerModel]

    def __call__(self, model: Mapping[str, Any], detector: Detector) -> ShowerModel:
        """The untrained model of a recipe; raises pydantic's ValidationError for a setting that the family lacks."""
        return self.assemble(self.settings.model_validate(model), detector)


OURS = {
    "caloflow": Family(CaloFlowSettings, ("energies", "voxels"), caloflow),
    "flow-matching": Family(FlowMatchingSettings, ("energies", "voxels"), flow_matching),
    "flow-matching-one-step": Family(OneStepSettings, ("shower",), one_step),
    "vae": Family(VaeSettings, ("shower",), vae),
    "vae-given-energies": Family(VaeGivenEnergiesSettings, ("energies", "voxels"), vae_given_energies),
}
"""The families that come with caloforge; those of other packages check their settings when they build."""

FAMILIES: Registry[Callable[[Mapping[str, Any], Detector], ShowerModel]] = Registry("model family", "caloforge.models")
for _name, _family in OURS.items():
    FAMILIES.add(_name, _family)


def build(model: Mapping[str, Any], detector: Detector) -> ShowerModel:
    """The untrained model of a recipe for one detector.

    Raises CaloforgeError for an unknown `family`, pydantic's ValidationError for a setting that the family lacks.
    """
    return FAMILIES[str(model.get("family", "caloflow"))](model, detector)
