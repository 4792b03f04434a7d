"""Solvers of dx/dt = f(t, x): explicit Runge-Kutta methods as tableaux on any grid of times, and adaptive Dopri5."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor

from caloforge.errors import CaloforgeError

MOST_STEPS = 10_000
"""Steps after which `Dopri5` gives up."""

Field = Callable[[Tensor, Tensor], Tensor]
"""The right-hand side f(t, x): t of shape (), x and the result (N, ...)."""


@dataclass(frozen=True)
class TimeGrid:
    """The times between which a solver steps, ascending; `TimeGrid.uniform(8)` has 8 steps from 0 to 1.

    Any sequence or array of numbers will do. Raises CaloforgeError where they are not finite and increasing.
    """

    times: tuple[float, ...]

    def __post_init__(self) -> None:
        times = tuple(float(time) for time in self.times)
        object.__setattr__(self, "times", times)
        if len(times) < 2:
            raise CaloforgeError(f"The time grid has {len(times)} times; give at least a first and a last one.")
        for number, (before, after) in enumerate(pairwise(times)):
            if not -math.inf < before < after < math.inf:
                raise CaloforgeError(
                    f"The time grid must be finite and increasing, but time {number} is {before:g} and time"
                    f" {number + 1} is {after:g}; sort the times and give each of them once."
                )

    @classmethod
    def uniform(cls, steps: int) -> TimeGrid:
        """Equal steps from 0 to 1."""
        return cls.power(steps, 1.0)

    @classmethod
    def power(cls, steps: int, exponent: float) -> TimeGrid:
        """Times 1 - (1 - i/steps)^exponent: above 1, steps shrink towards the data at t = 1; below 1, they grow."""
        if steps < 1 or not 0 < exponent < math.inf:
            raise CaloforgeError(
                f"The time grid has steps={steps}, exponent={exponent}; give at least one step and a positive exponent."
            )
        return cls(tuple(1 - (1 - index / steps) ** exponent for index in range(steps + 1)))

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.times) - 1


class Solution(NamedTuple):
    """Where a solver arrived, (N, ...), and how often it evaluated the right-hand side."""

    end: Tensor
    evaluations: int


class Solver(ABC):
    """A way from the first time of a grid to its last, or `backward` from the last to the first."""

    @abstractmethod
    def solve(self, field: Field, x: Tensor, grid: TimeGrid, backward: bool = False) -> Solution:
        """The end state from the start x (N, ...)."""

    @abstractmethod
    def trajectory(self, field: Field, x: Tensor, grid: TimeGrid) -> Tensor:
        """The states (T, N, ...) at all T times of the grid, the start included."""


class Tableau(NamedTuple):
    """An explicit Runge-Kutta method: `rows[i]` weighs the slopes that stage i starts from, at the share `nodes[i]` of
    the step; `weights` weigh all slopes in the step itself (Butcher tableau)."""

    nodes: tuple[float, ...]
    rows: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]


class RungeKutta(Solver):
    """Explicit Runge-Kutta with the steps of the grid. No control flow depends on the state, so it exports and
    compiles as a plain graph. A method of your own is a subclass with a `tableau`."""

    tableau: ClassVar[Tableau]
    order: ClassVar[int]

    def solve(self, field: Field, x: Tensor, grid: TimeGrid, backward: bool = False) -> Solution:
        """The end state from the start x (N, ...), after one evaluation for each stage and step."""
        for state in self._states(field, x, grid.times[::-1] if backward else grid.times):
            x = state
        return Solution(x, grid.steps * len(self.tableau.nodes))

    def trajectory(self, field: Field, x: Tensor, grid: TimeGrid) -> Tensor:
        """The states (T, N, ...) at all T times of the grid."""
        return torch.stack([x, *self._states(field, x, grid.times)])

    def _states(self, field: Field, x: Tensor, times: Sequence[float]) -> Iterator[Tensor]:
        nodes, rows, weights = self.tableau
        for start, end in pairwise(times):
            step = end - start
            slopes: list[Tensor] = []
            for node, row in zip(nodes, rows, strict=True):
                time = end if node == 1 else start + node * step
                slopes.append(field(x.new_full((), time), _moved(x, step, row, slopes)))
            x = _moved(x, step, weights, slopes)
            yield x


def _moved(x: Tensor, step: float, weights: Sequence[float], slopes: Sequence[Tensor]) -> Tensor:
    """x plus the step times the weighted slopes; slopes of weight zero are left out."""
    for weight, slope in zip(weights, slopes, strict=True):
        if weight:
            x = torch.add(x, slope, alpha=step * weight)
    return x


@dataclass(frozen=True)
class Euler(RungeKutta):
    """Order 1, one evaluation a step."""

    tableau = Tableau((0.0,), ((),), (1.0,))
    order = 1


@dataclass(frozen=True)
class Midpoint(RungeKutta):
    """Order 2, two evaluations a step: the slope half-way. Not the implicit midpoint rule."""

    tableau = Tableau((0.0, 0.5), ((), (0.5,)), (0.0, 1.0))
    order = 2


@dataclass(frozen=True)
class Heun(RungeKutta):
    """Order 2, two evaluations a step: the mean of the slopes at both ends (explicit trapezoidal rule, Heun's second
    order method). Not Heun's method of order 3."""

    tableau = Tableau((0.0, 1.0), ((), (1.0,)), (0.5, 0.5))
    order = 2


@dataclass(frozen=True)
class RK4(RungeKutta):
    """Order 4, four evaluations a step: the classical method of Kutta. Not the 3/8 rule, torchdiffeq's rk4."""

    tableau = Tableau((0.0, 0.5, 0.5, 1.0), ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6))
    order = 4


@dataclass(frozen=True)
class Dopri5(Solver):
    """Adaptive steps of Dormand and Prince, order 5(4), by torchdiffeq: of the grid only its ends count in `solve`.

    An error of a step is accepted up to atol + rtol |x|, in the root mean square over the whole batch, so that a shower
    depends on its neighbours in the batch within the tolerance. Steps depend on the data: it does not export. Raises
    CaloforgeError for tolerances that are not positive, where the solution is not finite, and after `MOST_STEPS`, which
    tolerances below the precision of x would take.
    """

    rtol: float = 1e-5
    atol: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("rtol", "atol"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise CaloforgeError(
                    f"The solver Dopri5 has {name}={value:g}; give a positive tolerance, for example 1e-5."
                )

    def solve(self, field: Field, x: Tensor, grid: TimeGrid, backward: bool = False) -> Solution:
        """The end state from the start x (N, ...); evaluations of refused steps are counted too."""
        ends = (grid.times[0], grid.times[-1])
        states, evaluations = self._integrate(field, x, ends[::-1] if backward else ends)
        return Solution(states[-1], evaluations)

    def trajectory(self, field: Field, x: Tensor, grid: TimeGrid) -> Tensor:
        """The states (T, N, ...) at all T times of the grid, between steps by interpolation."""
        return self._integrate(field, x, grid.times)[0]

    def _integrate(self, field: Field, x: Tensor, times: Sequence[float]) -> tuple[Tensor, int]:
        if torch.compiler.is_compiling():
            raise CaloforgeError(
                "The solver Dopri5 chooses its steps by the data and cannot be exported or compiled; set a solver with"
                " fixed steps, for example Heun."
            )
        if not x.numel():
            return x.expand(len(times), *x.shape), 0
        from torchdiffeq import odeint

        evaluations = 0

        def counted(time: Tensor, state: Tensor) -> Tensor:
            nonlocal evaluations
            evaluations += 1
            return field(time.to(state.dtype), state)

        at = torch.tensor(times, dtype=torch.float64 if x.device.type != "mps" else torch.float32, device=x.device)
        try:
            options = {"max_num_steps": MOST_STEPS}
            states = cast(
                Tensor, odeint(counted, x, at, rtol=self.rtol, atol=self.atol, method="dopri5", options=options)
            )
        except AssertionError as error:
            raise CaloforgeError(
                f"The solver Dopri5 (rtol={self.rtol:g}, atol={self.atol:g}) found no step small enough ({error}); the"
                f" velocity may not be finite, or the tolerances are below the precision of {x.dtype}."
            ) from error
        return states, evaluations
