"""The objectives: likelihood falls, the student learns its teacher, the teacher stays as it is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from caloforge.errors import CaloforgeError
from caloforge.generative import Distillation, Flow, MaximumLikelihood
from caloforge.generative.distillation import TERMS


def pair(**settings: Any) -> tuple[Flow, Flow]:
    torch.manual_seed(0)
    teacher = Flow(4, 1, 3, 16, 5, 4.0, dropout=0.3, **settings)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return Flow(4, 1, 3, 32, 5, 4.0, direction="inverse", **settings), teacher


def batch(n: int) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(n, 4), "context": torch.randn(n, 1)}


def test_likelihood_reaches_a_known_density() -> None:
    torch.manual_seed(0)
    flow = Flow(2, 1, 2, 16, 6, 5.0)
    objective, generator = MaximumLikelihood(flow), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(flow.parameters(), 1e-2)
    for _ in range(150):
        c = torch.rand(256, 1)
        x = c + (0.5 + c) * torch.randn(256, 2)
        loss = objective({"x": x, "context": c}, "model", generator)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    c = torch.full((4000, 1), 0.5)
    found = -flow.log_prob(0.5 + torch.randn(4000, 2), {"context": c}).mean().item()
    assert found == pytest.approx(1 + math.log(2 * math.pi), abs=0.08)


def test_likelihood_needs_a_density() -> None:
    with pytest.raises(CaloforgeError, match="log_prob"):
        MaximumLikelihood(nn.Linear(2, 2))


def test_a_student_that_does_what_its_teacher_does_has_no_loss() -> None:
    student, teacher = pair()
    with torch.no_grad():  # equal MADE outputs that depend on nothing: both directions are then the same map
        for flow in (student, teacher):
            for mine, theirs in zip(flow.blocks, teacher.blocks, strict=True):
                mine.made.output_layer.weight.zero_()
                mine.made.output_layer.bias.copy_(theirs.made.output_layer.bias)
    terms = Distillation(student, teacher)(batch(200), "model", torch.Generator().manual_seed(0))
    assert set(terms) == {"loss", *TERMS}
    assert terms["loss"].item() < 1e-6


def test_intermediates_correspond() -> None:
    _, teacher = pair()
    teacher.eval()
    data = batch(5)
    trace = teacher.forward_with_intermediates(data["x"], data)
    assert len(trace.states) == 4 and len(trace.parameters) == 3
    z, logabsdet = teacher.encode(data["x"], data)
    assert torch.equal(trace.states[-1], z) and torch.equal(trace.logabsdet, logabsdet)
    student, _ = pair()
    back = student.forward_with_intermediates(z, data)
    torch.testing.assert_close(back.states[0], student.decode({"z": z}, data))
    assert torch.equal(back.states[-1], z)
    torch.testing.assert_close(back.logabsdet, student.encode(back.states[0], data)[1], atol=1e-4, rtol=1e-4)


def test_distillation_moves_the_student_alone_and_the_loss_falls() -> None:
    student, teacher = pair()
    objective = Distillation(student, teacher).train()
    assert student.training and not any(module.training for module in teacher.modules())
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], 3e-3)
    torch.manual_seed(1)
    losses = []
    for _ in range(200):
        terms = objective(batch(128), "model", generator)
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()
        losses.append({name: value.item() for name, value in terms.items()})
    for name in TERMS:
        assert losses[-1][name] < 0.6 * losses[0][name], name
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not any("teacher" in name for name in objective.model.state_dict())
    assert all(p.grad is None for p in teacher.parameters())


def test_every_term_reaches_the_student() -> None:
    for term in TERMS:
        student, teacher = pair()
        objective = Distillation(student, teacher, {name: float(name == term) for name in TERMS})
        objective(batch(32), "model", torch.Generator())["loss"].backward()
        assert sum(p.grad.abs().sum().item() for p in student.parameters() if p.grad is not None) > 0, term


def test_pairs_that_do_not_correspond_are_refused() -> None:
    student, teacher = pair()
    with pytest.raises(CaloforgeError, match="'masked' teacher"):
        Distillation(teacher, student)
    with pytest.raises(CaloforgeError, match="permutations"):
        Distillation(Flow(4, 1, 3, 8, 5, 4.0, direction="inverse", permutation="reversal"), teacher)
    with pytest.raises(CaloforgeError, match="tail_bound"):
        Distillation(Flow(4, 1, 3, 8, 5, 5.0, direction="inverse"), teacher)
    with pytest.raises(CaloforgeError, match="bins"):
        Distillation(Flow(4, 1, 3, 8, 6, 4.0, direction="inverse"), teacher)
    with pytest.raises(CaloforgeError, match="no term"):
        Distillation(student, teacher, {"w": 1.0})
