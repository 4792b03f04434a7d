"""Flow matching: a velocity field whose flow takes noise to data, and the objective that trains it by regression."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Batch, Noise, Objective
from caloforge.generative.coupling import Coupling, Independent
from caloforge.generative.ode_likelihood import ExactTrace, JacobianTrace, to_noise
from caloforge.generative.path import Linear, Path
from caloforge.generative.prediction import Prediction, VelocityPrediction
from caloforge.generative.solver import Field, Heun, Solution, Solver, TimeGrid
from caloforge.generative.time_law import TimeLaw, UniformTime


@dataclass(frozen=True)
class OdeSettings:
    """How a velocity field is integrated; any trained one takes any settings.

    solver: the method. steps: so many equal steps from t = 0 to 1, or a `TimeGrid` over [0, 1]. trace: how likelihoods
    take the divergence. Raises CaloforgeError for a grid that does not lead from 0 to 1.
    """

    solver: Solver = field(default_factory=Heun)
    steps: int | TimeGrid = 16
    trace: JacobianTrace = field(default_factory=ExactTrace)

    def __post_init__(self) -> None:
        if not isinstance(self.steps, TimeGrid):
            object.__setattr__(self, "steps", TimeGrid.uniform(self.steps))
        times = self.grid.times
        if times[0] != 0 or times[-1] != 1:
            raise CaloforgeError(
                f"The time grid leads from {times[0]:g} to {times[-1]:g}, but noise is at t = 0 and data at t = 1; let"
                " it begin at 0 and end at 1."
            )

    @property
    def grid(self) -> TimeGrid:
        """The times between which the solver steps."""
        return cast(TimeGrid, self.steps)


class VelocityField(nn.Module):
    """p(x | context) of x (N, features): where a standard normal arrives that flows from t = 0 to 1 along a velocity.

    network: called as network(x (N, features), t (N,), context (N, C) or None), gives (N, features): what `prediction`
    says, for data that `path` joins to noise. settings: how it is integrated where a call brings no settings of its
    own; may be replaced at any time. It is a `Sampler` and a `Density`.
    """

    def __init__(
        self,
        network: nn.Module,
        features: int,
        path: Path | None = None,
        prediction: Prediction | None = None,
        settings: OdeSettings | None = None,
    ) -> None:
        super().__init__()
        if features < 1:
            raise CaloforgeError(f"The velocity field has features={features}; give at least 1.")
        self.network, self.features = network, features
        self.path: Path = path if path is not None else Linear()
        self.prediction: Prediction = prediction if prediction is not None else VelocityPrediction()
        self.settings: OdeSettings = settings if settings is not None else OdeSettings()

    def noise(self, condition: Batch, settings: OdeSettings | None = None) -> Mapping[str, Noise]:
        """One standard normal draw "z" per feature."""
        return {"z": Noise((self.features,))}

    def predict(self, x: Tensor, t: Tensor, condition: Batch) -> Tensor:
        """The network's word (N, features) at x (N, features) and times t (N,), in the precision of x."""
        return cast(Tensor, self.network(x, t, condition.get("context"))).to(x.dtype)

    def velocity(self, x: Tensor, t: Tensor, condition: Batch) -> Tensor:
        """dx/dt (N, features) at x (N, features) and times t (N,)."""
        return self.prediction.velocity(self.predict(x, t, condition), x, t, self.path)

    def field(self, condition: Batch) -> Field:
        """The velocity as a right-hand side f(t, x) for a solver, for one condition."""
        return lambda t, x: self.velocity(x, t.expand(x.shape[0]), condition)

    def solve(self, noise: Batch, condition: Batch, settings: OdeSettings | None = None) -> Solution:
        """Samples (N, features) from {"z": (N, features)}, and the number of the network's evaluations."""
        settings = settings if settings is not None else self.settings
        return settings.solver.solve(self.field(condition), noise["z"], settings.grid)

    def decode(self, noise: Batch, condition: Batch, settings: OdeSettings | None = None) -> Tensor:
        """x (N, features) from {"z": (N, features)} and {"context": (N, C)}."""
        return self.solve(noise, condition, settings).end

    def trajectory(self, noise: Batch, condition: Batch, settings: OdeSettings | None = None) -> Tensor:
        """The states (T, N, features) on the way, at all times of the settings' grid."""
        settings = settings if settings is not None else self.settings
        return settings.solver.trajectory(self.field(condition), noise["z"], settings.grid)

    def encode(
        self,
        x: Tensor,
        condition: Batch,
        settings: OdeSettings | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """z (N, features) that flows into x, and log |dz/dx| (N,), both as exact as the solver."""
        settings = settings if settings is not None else self.settings
        return to_noise(self.field(condition), x, settings.solver, settings.grid, settings.trace, generator)

    def log_prob(
        self,
        x: Tensor,
        condition: Batch,
        settings: OdeSettings | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """log p(x | context) in nats, (N,); `generator` draws the directions of a random trace."""
        z, logabsdet = self.encode(x, condition, settings, generator)
        return logabsdet - 0.5 * (z * z).sum(-1) - 0.5 * self.features * math.log(2 * math.pi)


class FlowMatching(Objective):
    """Conditional flow matching (Lipman et al., arXiv:2210.02747; Tong et al., arXiv:2302.00482): the network learns,
    by least squares, what the model's prediction is at a random time of the path from a noise to the datum it is
    paired with. Batches are {"x": (N, D)} with every other entry a condition.

    coupling: which noise goes with which datum; couplings other than `Independent` make trajectories straighter, but
    bias p(x | context) where they do not know the context (see docs/flow-matching.md). time_law: the times looked at.
    measure: what the squared error is taken of; that of the prediction itself where not given. Data prediction under
    `VelocityPrediction()` weighs late times as velocity prediction does. Raises CaloforgeError where the model is no
    `VelocityField`.
    """

    model: VelocityField

    def __init__(
        self,
        model: nn.Module,
        coupling: Coupling | None = None,
        time_law: TimeLaw | None = None,
        measure: Prediction | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, VelocityField):
            raise CaloforgeError(
                f"{type(model).__name__} is no VelocityField, which flow matching trains; choose another objective."
            )
        self.model = model
        self.coupling: Coupling = coupling if coupling is not None else Independent()
        self.time_law: TimeLaw = time_law if time_law is not None else UniformTime()
        self.measure = measure if measure != model.prediction else None

    def prepare(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """The batch with the noise (N, D) that each datum is paired with; all of it decided by `rng`."""
        data = batch["x"]
        condition = {name: value for name, value in batch.items() if name != "x"}
        drawn = torch.from_numpy(rng.standard_normal(tuple(data.shape), dtype=np.float32)).to(data)
        return {**batch, "noise": drawn[self.coupling.order(drawn, data, condition, rng)]}

    def forward(self, batch: Batch, turn: str, generator: torch.Generator) -> Mapping[str, Tensor]:
        """{"loss": mean squared error over rows and features} of a prepared batch."""
        if "noise" not in batch:
            raise CaloforgeError("The batch has no 'noise'; pass it through FlowMatching.prepare(batch, rng) first.")
        model, data, noise = self.model, batch["x"], batch["noise"]
        condition = {name: value for name, value in batch.items() if name not in ("x", "noise")}
        t = self.time_law.draw(len(data), generator).to(data)
        x = model.path.at(noise, data, t)[0]
        found, told = model.predict(x, t, condition), model.prediction.of(noise, data, t, model.path)
        if self.measure is not None:
            found, told = (
                self.measure.of(*model.prediction.ends(word, x, t, model.path), t, model.path) for word in (found, told)
            )
        return {"loss": F.mse_loss(found, told)}
