"""Contracts with C++ programs that call a model by their own rules: order, units and shapes of inputs and outputs.

Par04 is Geant4's example extended/parameterisations/Par04 (11.4.0); DDML is key4hep's library for ddsim
(https://github.com/key4hep/DDML, RegularGridGANModel and Par04ExampleVAE).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from caloforge.deployment.graph import ENERGY, GenerationModule
from caloforge.detectors import CartesianLayer, CylindricalLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Noise, draw_noise
from caloforge.randomness import stream_seed
from caloforge.registry import Registry

PAR04_LARGEST_MEV = 1024000.0
"""What Par04's variational autoencoder divides energies by."""

_ERFINV_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
                  -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_ERFINV_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
                0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def normal_to_uniform(z: Tensor) -> Tensor:
    """Uniform numbers in [0, 1] of standard normal ones, by their distribution function."""
    return 0.5 * (1 + torch.erf(z * math.sqrt(0.5)))


def signed_to_normal(u: Tensor) -> Tensor:
    """Standard normal numbers of uniform ones in (-1, 1), by the inverse error function in single precision (M. Giles,
    Approximating the erfinv function, GPU Computing Gems, 2012)."""
    u = u.clamp(-1 + 1e-7, 1 - 1e-7)
    w = -torch.log((1 - u) * (1 + u))
    centre, tail = w - 2.5, torch.sqrt(w.clamp(min=5.0)) - 3.0
    inner, outer = torch.zeros_like(u), torch.zeros_like(u)
    for a, b in zip(_ERFINV_CENTRE, _ERFINV_TAIL, strict=True):
        inner, outer = inner * centre + a, outer * tail + b
    return math.sqrt(2) * u * torch.where(w < 5.0, inner, outer)


def _as_it_is(z: Tensor) -> Tensor:
    return z


def _signed_to_uniform(u: Tensor) -> Tensor:
    return 0.5 * (1 + u)


class Called(nn.Module, ABC):
    """A generation as a C++ program calls it: a module of positional tensors in the order of `inputs`."""

    name: ClassVar[str]
    output = "output"

    def __init__(self, module: GenerationModule) -> None:
        super().__init__()
        self.module, self.detector = module, module.about.detector
        self.laws = module.laws
        self.latent = sum(math.prod(noise.shape) for noise in self.laws.values())

    @property
    @abstractmethod
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Name of every input and its shape without the batch, in order."""

    @abstractmethod
    def example(self, n: int, seed: int = 0) -> dict[str, Tensor]:
        """Inputs of n showers as the program would make them."""

    @abstractmethod
    def told(self) -> dict[str, Any]:
        """What the contract adds to the metadata."""

    def metadata(self) -> dict[str, Any]:
        """What is told with the exported model."""
        shapes = {name: list(shape) for name, shape in self.inputs.items()}
        return {**self.module.metadata(), "contract": self.name, "inputs": shapes, **self.told()}

    def energies(self, n: int, seed: int) -> Tensor:
        """Incident energies (n, 1) in MeV within the trained range."""
        return self.module.example(n, seed)[ENERGY]

    def draws(self, n: int, seed: int) -> Tensor:
        """Standard normal numbers (n, latent)."""
        generator = torch.Generator().manual_seed(stream_seed(seed, "contract-example"))
        return torch.randn(n, self.latent, generator=generator)

    def generate(self, energy_mev: Tensor, row: Tensor, laws: Mapping[str, Callable[[Tensor], Tensor]]) -> Tensor:
        """Deposits (N, V) in MeV of energies (N, 1) and one row of numbers (N, latent), cut in the order of the noise.

        laws: what turns the numbers into normal and into uniform ones.
        """
        parts, begin = [], 0
        for noise in self.laws.values():
            end = begin + math.prod(noise.shape)
            parts.append(laws[noise.law](row[:, begin:end].reshape(-1, *noise.shape)))
            begin = end
        deposits: Tensor = self.module(energy_mev, *parts)
        return deposits


def _rings(detector: Detector, contract: str) -> tuple[int, int, int]:
    """(layers, alpha bins, r bins) of a detector whose layers all have the same even rings about the axis."""
    first = detector.layers[0]
    if not isinstance(first, CylindricalLayer) or any(
        not isinstance(layer, CylindricalLayer)
        or (layer.n_alpha, layer.r_edges_mm) != (first.n_alpha, first.r_edges_mm)
        for layer in detector.layers
    ):
        raise CaloforgeError(
            f"--contract {contract} is for equal cylindrical layers, which detector '{detector.name}' does not have; "
            "leave the contract out, or export a model of ds2 or ds3."
        )
    widths = np.diff(first.r_edges_mm)
    if first.r_edges_mm[0] != 0 or not np.allclose(widths, widths[0], rtol=1e-6):
        raise CaloforgeError(
            f"--contract {contract} is for rings of equal width from the axis on, but detector '{detector.name}' has "
            f"the edges {list(first.r_edges_mm)} mm; leave the contract out."
        )
    return detector.n_layers, *first.shape


def _r_phi_z(deposits: Tensor, sizes: tuple[int, int, int]) -> Tensor:
    """Voxels (N, Z A R) in the order of CaloChallenge as (N, R A Z), Z fastest."""
    return deposits.reshape(-1, *sizes).permute(0, 3, 2, 1).reshape(-1, math.prod(sizes))


class Par04Vae(Called):
    """One input (1, latent + 4): standard normal numbers, energy over 1024 GeV, angle over 90 degrees, and the geometry
    as two numbers. One output (1, R phi Z), Z fastest, in units of the incident energy.

    The model's noise is cut from the latent in its order; where it is uniform, by the normal distribution function.
    Angle and geometry are taken and not used: models of this house know one detector and one direction.
    """

    name = "par04-vae"

    def __init__(self, module: GenerationModule) -> None:
        super().__init__(module)
        self.sizes = _rings(self.detector, self.name)

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The inputs in the order in which the program gives them."""
        return {"input": (self.latent + 4,)}

    def example(self, n: int, seed: int = 0) -> dict[str, Tensor]:
        """Inputs as the program makes them, of incident energies within the trained range."""
        rest = torch.tensor([0.0, 0.0, 1.0]).expand(n, -1)
        return {"input": torch.cat([self.draws(n, seed), self.energies(n, seed) / PAR04_LARGEST_MEV, rest], 1)}

    def told(self) -> dict[str, Any]:
        """Sizes, order and units, as the program must be told them."""
        layers, n_phi, n_r = self.sizes
        return {
            "latent_size": self.latent,
            "mesh": {"r": n_r, "phi": n_phi, "z": layers},
            "order": "r, phi, z; z fastest",
            "units": {"input": f"energy / {PAR04_LARGEST_MEV:g} MeV", self.output: "share of the incident energy"},
            "not_used": ["angle", "geometry"],
        }

    def ordered(self, deposits: Tensor) -> Tensor:
        """Voxels in the program's order."""
        return _r_phi_z(deposits, self.sizes)

    def forward(self, given: Tensor) -> Tensor:
        """(N, R phi Z) of (N, latent + 4)."""
        energy = given[:, self.latent : self.latent + 1] * PAR04_LARGEST_MEV
        laws = {"normal": _as_it_is, "uniform": normal_to_uniform}
        deposits = self.generate(energy, given[:, : self.latent], laws)
        return self.ordered(deposits / energy)


class Par04Dit(Called):
    """One input (1, 8): energy in GeV, phi, theta and the geometry as five numbers. One output (1, R phi Z), Z fastest,
    in GeV. The noise is drawn inside the graph; `given_noise` makes it inputs instead, for comparison.

    phi, theta and geometry are taken and not used: models of this house know one detector and one direction.
    """

    name = "par04-dit"

    def __init__(self, module: GenerationModule, given_noise: bool = False) -> None:
        super().__init__(module)
        self.sizes, self.given_noise = _rings(self.detector, self.name), given_noise

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The inputs in the order in which the program gives them."""
        noise = {name: noise.shape for name, noise in self.laws.items()} if self.given_noise else {}
        return {"input": (8,), **noise}

    def example(self, n: int, seed: int = 0) -> dict[str, Tensor]:
        """Inputs as the program makes them, of incident energies within the trained range."""
        rest = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).expand(n, -1)
        inputs = {"input": torch.cat([self.energies(n, seed) / 1000, rest], 1)}
        if self.given_noise:
            inputs |= draw_noise(self.laws, n, torch.Generator().manual_seed(stream_seed(seed, "contract-example")))
        return inputs

    def told(self) -> dict[str, Any]:
        """Sizes, order and units, as the program must be told them."""
        layers, n_phi, n_r = self.sizes
        return {
            "mesh": {"r": n_r, "phi": n_phi, "z": layers},
            "order": "r, phi, z; z fastest",
            "units": {"input": "energy in GeV, angles in rad", self.output: "GeV"},
            "noise_inside": True,
            "not_used": ["phi", "theta", "geometry"],
        }

    def forward(self, given: Tensor, *noise: Tensor) -> Tensor:
        """(1, R phi Z) in GeV of (1, 8)."""
        drawn = noise if self.given_noise else tuple(_drawn(law) for law in self.laws.values())
        deposits: Tensor = self.module(given[:, :1] * 1000, *drawn)
        return _r_phi_z(deposits / 1000, self.sizes)


def _drawn(noise: Noise) -> Tensor:
    return torch.randn(1, *noise.shape) if noise.law == "normal" else torch.rand(1, *noise.shape)


class DdmlVae(Par04Vae):
    """DDML's Par04ExampleVAE: as `Par04Vae`, but phi counts from 0 instead of -pi."""

    name = "ddml"

    def __init__(self, module: GenerationModule) -> None:
        super().__init__(module)
        if self.sizes[1] % 2:
            raise CaloforgeError(
                f"--contract ddml counts phi from 0, which {self.sizes[1]} sectors from -pi on cannot be turned into; "
                "give a detector with an even number of sectors."
            )

    def ordered(self, deposits: Tensor) -> Tensor:
        """Voxels (N, V) in the program's order, sectors counted from phi = 0."""
        half = self.sizes[1] // 2
        whole = deposits.reshape(-1, *self.sizes)
        return super().ordered(
            torch.cat([whole[:, :, half:], whole[:, :, :half]], 2).reshape(-1, math.prod(self.sizes))
        )


class DdmlGrid(Called):
    """DDML's RegularGridGANModel: inputs (1, latent, 1, 1, 1), uniform in -1 to 1, and (1, 1, 1, 1, 1), energy in GeV,
    in this order. One output (1, Z, X, Y), Y fastest, in MeV.

    The model's noise is cut from the latent in its order and given its law.
    """

    name = "ddml"

    def __init__(self, module: GenerationModule) -> None:
        super().__init__(module)
        first = self.detector.layers[0]
        assert isinstance(first, CartesianLayer)
        same = all(
            isinstance(layer, CartesianLayer)
            and layer.x_edges_mm == first.x_edges_mm
            and layer.y_edges_mm == first.y_edges_mm
            for layer in self.detector.layers
        )
        centred = all(_even_and_centred(edges) for edges in (first.x_edges_mm, first.y_edges_mm))
        if not same or not centred:
            raise CaloforgeError(
                "--contract ddml is for equal layers with an even number of equal cells about the axis, which "
                f"detector '{self.detector.name}' does not have; leave the contract out, or export a model of siw-ecal."
            )
        self.sizes = (self.detector.n_layers, *first.shape)
        self.cell_mm = (first.x_edges_mm[1] - first.x_edges_mm[0], first.y_edges_mm[1] - first.y_edges_mm[0])

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The inputs in the order in which the program gives them."""
        return {"latent": (self.latent, 1, 1, 1), "energy": (1, 1, 1, 1)}

    def example(self, n: int, seed: int = 0) -> dict[str, Tensor]:
        """Inputs as the program makes them, of incident energies within the trained range."""
        uniform = 2 * normal_to_uniform(self.draws(n, seed).double()).float() - 1
        return {
            "latent": uniform.reshape(n, self.latent, 1, 1, 1),
            "energy": (self.energies(n, seed) / 1000).reshape(n, 1, 1, 1, 1),
        }

    def told(self) -> dict[str, Any]:
        """Sizes, order and units, as the program must be told them."""
        layers, n_x, n_y = self.sizes
        return {
            "latent_size": self.latent,
            "mesh": {"z": layers, "x": n_x, "y": n_y, "cell_x_mm": self.cell_mm[0], "cell_y_mm": self.cell_mm[1]},
            "order": "z, x, y; y fastest",
            "units": {"energy": "GeV", self.output: "MeV"},
        }

    def forward(self, latent: Tensor, energy: Tensor) -> Tensor:
        """(N, Z, X, Y) in MeV."""
        laws = {"normal": signed_to_normal, "uniform": _signed_to_uniform}
        deposits = self.generate(energy.reshape(-1, 1) * 1000, latent.reshape(-1, self.latent), laws)
        return deposits.reshape(-1, *self.sizes)


def _even_and_centred(edges: tuple[float, ...]) -> bool:
    widths = np.diff(edges)
    return len(widths) % 2 == 0 and np.allclose(widths, widths[0], rtol=1e-6) and math.isclose(edges[0], -edges[-1])


def _ddml(module: GenerationModule) -> Called:
    grid = isinstance(module.about.detector.layers[0], CartesianLayer)
    return DdmlGrid(module) if grid else DdmlVae(module)


CONTRACTS: Registry[Callable[..., Called]] = Registry("contract", "caloforge.contracts")
CONTRACTS.add("par04-vae", Par04Vae)
CONTRACTS.add("par04-dit", Par04Dit)
CONTRACTS.add("ddml", _ddml)
