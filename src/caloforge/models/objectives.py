"""The objective of a stage, by the names that a recipe says."""

from __future__ import annotations

from torch import nn

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Objective
from caloforge.generative.distillation import Distillation
from caloforge.generative.flow import Flow
from caloforge.generative.flow_matching import VelocityField
from caloforge.generative.likelihood import MaximumLikelihood
from caloforge.generative.vae import VAE
from caloforge.models.recipe import Stage


def objective_of(stage: Stage, model: nn.Module, teacher: nn.Module) -> Objective:
    """What trains a factor's `model` in a stage; `teacher`: the same factor's model as the stage before left it.

    Raises CaloforgeError where the objective does not fit the model.
    """
    if stage.objective == "distillation":
        return Distillation(model=_flow(model, stage), teacher=_flow(teacher, stage))
    if stage.objective == "flow-matching":
        if not isinstance(model, VelocityField):
            raise CaloforgeError(
                f"stage '{stage.name}': flow matching trains a velocity field, but the factor '{stage.factor}' is"
                f" learned by {type(model).__name__}; say 'objective: likelihood'."
            )
        return stage.matching.objective(model)
    if stage.objective == "evidence-bound":
        if not isinstance(model, VAE):
            raise CaloforgeError(
                f"stage '{stage.name}': the evidence bound trains an autoencoder, but the factor '{stage.factor}' is"
                f" learned by {type(model).__name__}; say 'objective: likelihood'."
            )
        return stage.bound.objective(model)
    if isinstance(model, VAE):
        raise CaloforgeError(
            f"stage '{stage.name}': the factor '{stage.factor}' is an autoencoder, whose likelihood is not known; say"
            " 'objective: evidence-bound'."
        )
    if isinstance(model, VelocityField):
        raise CaloforgeError(
            f"stage '{stage.name}': the factor '{stage.factor}' is a velocity field, whose likelihood is too costly to"
            " train by; say 'objective: flow-matching'."
        )
    return MaximumLikelihood(model=model)


def _flow(model: nn.Module, stage: Stage) -> Flow:
    if not isinstance(model, Flow):
        raise CaloforgeError(
            f"stage '{stage.name}': only a flow can be distilled, but the factor '{stage.factor}' is learned by "
            f"{type(model).__name__}; give the stage another objective."
        )
    return model
