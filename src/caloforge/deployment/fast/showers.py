"""CaloFlow on one core: whole showers in MeV from noise and incident energies, from weights packed once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from caloforge.deployment.fast.deposit_kernel import (
    deposits_of_energies,
    deposits_of_shares,
    layer_energies,
    voxel_context,
)
from caloforge.deployment.fast.fitted import array, offsets, standard, to_layers, to_voxels
from caloforge.deployment.fast.flow import FastFlow
from caloforge.deployment.fast.packed import Packed
from caloforge.deployment.fast.panels import Floats
from caloforge.errors import CaloforgeError
from caloforge.factors import LayerEnergies, VoxelEnergies, VoxelShares
from caloforge.factors.voxels import LAYER_FLOOR
from caloforge.generative.flow import Flow
from caloforge.models.shower_model import ShowerModel
from caloforge.nn.compilation import announced

CHUNK = 96
"""Showers that go through the flows together: sixteen tiles of six."""


class _Deposits(Protocol):
    """The last step, from network space to MeV."""

    def __call__(
        self, energy_mev: Floats, layers_mev: Floats, x: Floats, skip: int, out: Floats, mismatch: Floats
    ) -> None: ...


class _OfEnergies:
    def __init__(self, factor: VoxelEnergies) -> None:
        self._fixed = to_voxels(factor)

    def __call__(
        self, energy_mev: Floats, layers_mev: Floats, x: Floats, skip: int, out: Floats, mismatch: Floats
    ) -> None:
        announced(deposits_of_energies)(energy_mev, layers_mev, x, skip, *self._fixed, out, mismatch)


class _OfShares:
    def __init__(self, factor: VoxelShares) -> None:
        numbers = np.float32(factor.logit.alpha), np.float32(factor.threshold_mev)
        self._fixed = *standard(factor.standardise), *numbers, offsets(factor.slices)

    def __call__(
        self, energy_mev: Floats, layers_mev: Floats, x: Floats, skip: int, out: Floats, mismatch: Floats
    ) -> None:
        announced(deposits_of_shares)(energy_mev, layers_mev, x, skip, *self._fixed, out)
        mismatch[:] = 0


class FastShowers(Packed):
    """A CaloFlow, teacher or student, ready for one core: incident energies and noise in, MeV per voxel out.

    The same showers as `ShowerModel.decode`, up to the rounding of float32. Products leave out what the masks switch
    off, splines work on what the products have just written, and the way to MeV is one pass. It has no threads of its
    own, lets go of Python's lock meanwhile, and may be called from several threads at once. The first call in an
    installation compiles for the processor at hand, which takes some seconds; the result is kept on disk.

        fast = FastShowers.of(load_checkpoint(checkpoint_folder("calogan-student"))[0])
        deposits_mev = fast.decode(noise, energy_mev)       # noise: as draw_noise(model.noise(), n, generator) gives it
    """

    chunk = CHUNK

    def __init__(self, energies: LayerEnergies, voxels: VoxelEnergies | VoxelShares) -> None:
        flows = [_flow(factor.model) for factor in (energies, voxels)]
        self._energies, self._voxels = (FastFlow(flow, CHUNK) for flow in flows)
        sizes = self._energies.features, self._voxels.features
        super().__init__(*sizes, {name: (size,) for name, size in zip(("energies.z", "voxels.z"), sizes, strict=True)})
        self._log_energy = array(energies.log_energy)
        self._to_layers = to_layers(energies)
        _, means, spreads, least = standard(voxels.conditions)
        self._conditions = np.float32(LAYER_FLOOR), means[0], np.exp(-np.maximum(spreads[0], least))
        self._deposits: _Deposits = _OfEnergies(voxels) if isinstance(voxels, VoxelEnergies) else _OfShares(voxels)
        self._kept = threading.local()

    @classmethod
    def of(cls, model: ShowerModel) -> FastShowers:
        """Pack a shower model as it is; later changes of its weights are not seen. Raises CaloforgeError where it is
        not a flow of the layer energies followed by one of the voxels, both of splines."""
        factors = dict(model.named_factors())
        energies, voxels = factors.get("energies"), factors.get("voxels")
        if (
            len(factors) != 2
            or not isinstance(energies, LayerEnergies)
            or not isinstance(voxels, VoxelEnergies | VoxelShares)
        ):
            found = ", ".join(f"{name}: {type(factor).__name__}" for name, factor in factors.items())
            raise CaloforgeError(
                f"FastShowers knows the factors of CaloFlow (energies: LayerEnergies, voxels: VoxelEnergies or "
                f"VoxelShares), but the model has {found}; use --engine torch, or export it to ONNX."
            )
        return cls(energies, voxels)

    def _chunk(
        self, energy: Floats, draws: Mapping[str, Floats], layers: Floats, out: Floats, mismatch: Floats
    ) -> None:
        n = len(energy)
        for_energies, for_voxels = self._workspaces()
        value = for_energies[0]
        value[:n, 0] = (np.log(energy) - self._log_energy[0]) / self._log_energy[1]
        value[:n, 1:] = draws["energies.z"]
        x = self._energies.decode(n, for_energies)
        announced(layer_energies)(energy, x, 1, *self._to_layers, layers)
        value, skip = for_voxels[0], 1 + self.n_layers
        announced(voxel_context)(energy, layers, *self._conditions, value)
        value[:n, skip:] = draws["voxels.z"]
        x = self._voxels.decode(n, for_voxels)
        self._deposits(energy, layers, x, skip, out, mismatch)

    def _workspaces(self) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
        """Memory of the calling thread for both flows."""
        kept: tuple[tuple[Floats, ...], tuple[Floats, ...]] | None = getattr(self._kept, "workspaces", None)
        if kept is None:
            kept = self._kept.workspaces = (self._energies.workspace(), self._voxels.workspace())
        return kept


def _flow(model: Any) -> Flow:
    if not isinstance(model, Flow):
        raise CaloforgeError(
            f"FastShowers knows spline flows, but {type(model).__name__} was found; use --engine torch, or export the "
            "model to ONNX."
        )
    return model
