"""How straight the trajectories of a flow are, and how far its samples are from the data."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative import RK4, Batch, OdeSettings, TimeGrid, VelocityField

Floats = NDArray[np.float64]


def wasserstein(a: Floats, b: Floats) -> float:
    """The 2-Wasserstein distance of two samples (N, D), exactly: the root of the mean square distance of the best
    assignment, for one feature by sorting. Two samples of one law are not at 0 but at a floor that falls with N.

    Raises CaloforgeError where the samples are not of one shape.
    """
    if a.shape != b.shape or a.ndim != 2 or not len(a):
        raise CaloforgeError(
            f"W2 by assignment needs two samples of one shape (N, D), but found {a.shape} and {b.shape}; draw as many."
        )
    if a.shape[1] == 1:
        return float(np.sqrt(np.mean((np.sort(a[:, 0]) - np.sort(b[:, 0])) ** 2)))
    cost = ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def straightness(model: VelocityField, noise: Tensor, condition: Batch, points: int = 50) -> tuple[Floats, Floats]:
    """How far the velocity along a trajectory departs from its chord: times (points + 1,) and, at each,
    E |(x_1 - x_0) - v(x_t, t)|^2 / E |x_1 - x_0|^2 over noise (N, D).

    0 all along is a straight flow, which one Euler step solves exactly; the mean over t is S of Liu et al.
    (arXiv:2209.03003, equation 4) in units of the mean square chord. Trajectories are solved by RK4 with so many steps.
    """
    settings = OdeSettings(RK4(), TimeGrid.uniform(points))
    with torch.no_grad():
        states = model.trajectory({"z": noise}, condition, settings)
        chord = states[-1] - states[0]
        found = [
            (chord - model.velocity(state, torch.full((len(state),), time), condition)).square().sum(-1).mean()
            for time, state in zip(settings.grid.times, states, strict=True)
        ]
        unit = chord.square().sum(-1).mean()
    return np.array(settings.grid.times), torch.stack(found).div(unit).double().numpy()
