"""Probability density distillation of a masked flow into an inverse one (CaloFlow II, arXiv:2110.11377)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from caloforge.errors import CaloforgeError
from caloforge.generative.autoregressive import Autoregressive
from caloforge.generative.contracts import Batch, Objective
from caloforge.generative.flow import Flow
from caloforge.generative.permutation import Permutation

TERMS = ("z", "x", "z_i", "x_i", "p_z", "p_x")
"""Final noise, final data, intermediates of the z- and of the x-pass, MADE outputs of the z- and of the x-pass."""


class Distillation(Objective):
    """Teach `model`, an inverse flow, what a frozen masked `teacher` does, with passes in fast directions only.

    z-pass: noise -> student -> x -> teacher -> noise'; x-pass: data -> teacher -> z -> student -> data'. Each gives the
    mean squared difference of the ends, of the states between blocks and of the MADE outputs of corresponding blocks.
    `weights` scales the six terms of TERMS. Batches are {"x": (N, D), "context": (N, C)}. Raises CaloforgeError where
    student block i cannot correspond to teacher block i.
    """

    model: Flow

    def __init__(self, model: Flow, teacher: Flow, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        unknown = set(weights or {}) - set(TERMS)
        if unknown:
            raise CaloforgeError(f"Distillation has no term '{min(unknown)}'; the terms are {', '.join(TERMS)}.")
        if teacher.direction != "masked" or model.direction != "inverse":
            raise CaloforgeError(
                f"Distillation needs a 'masked' teacher and an 'inverse' student, but found '{teacher.direction}' and"
                f" '{model.direction}'; correct the recipe."
            )
        orders = [[cast(Permutation, part).indices.cpu() for part in flow.permutations] for flow in (model, teacher)]
        same = len(orders[0]) == len(orders[1]) and all(map(torch.equal, *orders))
        if not same:
            raise CaloforgeError(
                "Student and teacher must have the same blocks and permutations; give both the same blocks,"
                " permutation, permutation_seed and groups."
            )
        mine, theirs = (cast(Autoregressive, flow.blocks[0]).univariate for flow in (model, teacher))
        if mine != theirs:
            raise CaloforgeError(f"Student and teacher have the maps {mine} and {theirs}; make them equal.")
        self.model = model
        self.teacher = teacher.requires_grad_(False).eval()
        self.weights = {name: (weights or {}).get(name, 1.0) for name in TERMS}

    def train(self, mode: bool = True) -> Self:
        """Set the student's mode; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: Batch, turn: str, generator: torch.Generator) -> Mapping[str, Tensor]:
        """The weighted sum under "loss" and each of the six terms under its name."""
        x = batch["x"]
        condition = {name: value for name, value in batch.items() if name != "x"}
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=generator.device).to(x.device)
        student = self.model.forward_with_intermediates(z, condition)
        teacher = self.teacher.forward_with_intermediates(student.states[0], condition)
        terms = {
            "z": F.mse_loss(teacher.states[-1], z),
            "z_i": _mean_square(student.states[1:-1], teacher.states[1:-1], z),
            "p_z": _mean_square(student.parameters, teacher.parameters, z),
        }
        with torch.no_grad():
            teacher = self.teacher.forward_with_intermediates(x, condition)
        student = self.model.forward_with_intermediates(teacher.states[-1], condition)
        terms |= {
            "x": F.mse_loss(student.states[0], x),
            "x_i": _mean_square(student.states[1:-1], teacher.states[1:-1], z),
            "p_x": _mean_square(student.parameters, teacher.parameters, z),
        }
        loss = torch.stack([self.weights[name] * terms[name] for name in TERMS]).sum()
        return {"loss": loss} | {name: terms[name].detach() for name in TERMS}


def _mean_square(mine: Sequence[Tensor], theirs: Sequence[Tensor], like: Tensor) -> Tensor:
    """Mean over blocks of the mean squared difference; zero where there is nothing between the blocks."""
    if not mine:
        return like.new_zeros(())
    return torch.stack([F.mse_loss(a, b) for a, b in zip(mine, theirs, strict=True)]).mean()
