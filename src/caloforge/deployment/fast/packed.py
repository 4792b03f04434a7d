"""What every packed shower model shares: checks of noise and energies, and the walk over chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from caloforge.deployment.fast.checked import check_out, checked
from caloforge.deployment.fast.panels import Floats
from caloforge.errors import CaloforgeError


class Generated(NamedTuple):
    """Deposits (N, V) and layer energies (N, L) in MeV, and the mismatch (N,) of the two (zero where a factor has
    none)."""

    deposits_mev: Floats
    layer_energy_mev: Floats
    mismatch: Floats


class Packed(ABC):
    """A shower model from packed weights: incident energies and noise in, MeV per voxel out, chunk by chunk.

    Layers and voxels are counted; shapes: of each draw of the noise for one shower, by the name that
    `ShowerModel.noise` gives it.
    """

    chunk: ClassVar[int]
    """Showers that go through the model together."""

    def __init__(self, n_layers: int, n_voxels: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.n_layers, self.n_voxels, self._shapes = n_layers, n_voxels, dict(shapes)

    def decode(self, noise: Mapping[str, Any], incident_energy_mev: Any, out: Floats | None = None) -> Floats:
        """Deposits (N, V) in MeV, written into `out` where given, else into a new array.

        noise: draws as `ShowerModel.noise` names them; incident energies (N,) in MeV; all float32 arrays or tensors on
        the CPU. Raises CaloforgeError for other names, shapes or precisions.
        """
        return self.generate(noise, incident_energy_mev, out).deposits_mev

    def generate(self, noise: Mapping[str, Any], incident_energy_mev: Any, out: Floats | None = None) -> Generated:
        """The same with all that is known of each shower."""
        energy = checked("incident_energy_mev", incident_energy_mev, ())
        if not (energy > 0).all():
            raise CaloforgeError(
                f"incident_energy_mev holds {energy[~(energy > 0)][0]:g}; give energies above zero, in MeV."
            )
        if set(noise) != set(self._shapes):
            raise CaloforgeError(f"the noise holds {sorted(noise)}; give {sorted(self._shapes)}.")
        draws = {name: checked(name, noise[name], shape, len(energy)) for name, shape in self._shapes.items()}
        if out is None:
            out = np.empty((len(energy), self.n_voxels), np.float32)
        else:
            check_out(out, (len(energy), self.n_voxels))
        layers, mismatch = np.empty((len(energy), self.n_layers), np.float32), np.empty(len(energy), np.float32)
        for first in range(0, len(energy), self.chunk):
            rows = slice(first, first + self.chunk)
            of_rows = {name: draw[rows] for name, draw in draws.items()}
            self._chunk(energy[rows], of_rows, layers[rows], out[rows], mismatch[rows])
        return Generated(out, layers, mismatch)

    @abstractmethod
    def _chunk(
        self, energy: Floats, draws: Mapping[str, Floats], layers: Floats, out: Floats, mismatch: Floats
    ) -> None:
        """At most `chunk` showers."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_layers} layers, {self.n_voxels} voxels)"
