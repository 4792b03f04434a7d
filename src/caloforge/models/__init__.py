"""Published systems as shower models: recipes, checkpoints, training and generation."""

from caloforge.models.build import FAMILIES, build
from caloforge.models.caloflow import CaloFlowSettings, FlowSettings, caloflow
from caloforge.models.shower_model import ShowerModel

__all__ = ["FAMILIES", "CaloFlowSettings", "FlowSettings", "ShowerModel", "build", "caloflow"]
