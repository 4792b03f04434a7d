"""What a network says about x_t: the velocity, the data or the noise; each turns into the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative.path import Path


class Prediction(ABC):
    """What a network is trained to say, and how its word becomes a velocity.

    Tensors are (N, ...), times (N,). `a.of(*b.ends(output, x, t, path), t, path)` turns a word of kind b into kind a.
    """

    @abstractmethod
    def of(self, noise: Tensor, data: Tensor, t: Tensor, path: Path) -> Tensor:
        """What the network should say where these two ends are joined by the path."""

    @abstractmethod
    def ends(self, output: Tensor, x: Tensor, t: Tensor, path: Path) -> tuple[Tensor, Tensor]:
        """The noise and the data that the network's output at x = x_t stands for."""

    def velocity(self, output: Tensor, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """The velocity at x = x_t that the output stands for."""
        noise, data = self.ends(output, x, t, path)
        return path.at(noise, data, t)[1]


@dataclass(frozen=True)
class VelocityPrediction(Prediction):
    """v-prediction: the network says dx_t/dt (Lipman et al., arXiv:2210.02747)."""

    def of(self, noise: Tensor, data: Tensor, t: Tensor, path: Path) -> Tensor:
        """The velocity of the path."""
        return path.at(noise, data, t)[1]

    def ends(self, output: Tensor, x: Tensor, t: Tensor, path: Path) -> tuple[Tensor, Tensor]:
        """Solves x = a data + s noise, v = a' data + s' noise."""
        a, s, a_rate, s_rate = path.spread(t, x)
        determinant = a * s_rate - s * a_rate
        return (a * output - a_rate * x) / determinant, (s_rate * x - s * output) / determinant

    def velocity(self, output: Tensor, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """The output itself."""
        return output


@dataclass(frozen=True)
class _EndPrediction(Prediction):
    """The network says one end; the other follows by a division by its weight, which is kept above `floor`."""

    floor: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.floor < 1:
            raise CaloforgeError(f"The prediction has floor={self.floor}; give a number between 0 and 1.")


@dataclass(frozen=True)
class DataPrediction(_EndPrediction):
    """x-prediction: the network says the data. Near t = 1, where hardly any noise is left in x_t, the velocity is
    a small difference over a small weight; weights below `floor` count as `floor` (Li and He, arXiv:2511.13720)."""

    def of(self, noise: Tensor, data: Tensor, t: Tensor, path: Path) -> Tensor:
        """The data."""
        return data

    def ends(self, output: Tensor, x: Tensor, t: Tensor, path: Path) -> tuple[Tensor, Tensor]:
        """The noise is what remains of x."""
        weights = path.spread(t, x)
        return (x - weights.data * output) / weights.noise.clamp_min(self.floor), output


@dataclass(frozen=True)
class NoisePrediction(_EndPrediction):
    """Noise prediction (Ho et al., arXiv:2006.11239). Near t = 0, where x_t is all noise, its word says nothing about
    the data; weights of the data below `floor` count as `floor`, so that first steps tend to the mean of
    standardised data."""

    def of(self, noise: Tensor, data: Tensor, t: Tensor, path: Path) -> Tensor:
        """The noise."""
        return noise

    def ends(self, output: Tensor, x: Tensor, t: Tensor, path: Path) -> tuple[Tensor, Tensor]:
        """The data are what remains of x."""
        weights = path.spread(t, x)
        return output, (x - weights.noise * output) / weights.data.clamp_min(self.floor)
