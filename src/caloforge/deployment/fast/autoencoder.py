"""An autoencoder of whole showers on one core: MeV from noise and incident energies, from weights packed once."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from caloforge.deployment.fast.deposit_kernel import layer_energies
from caloforge.deployment.fast.fitted import array, to_layers, to_voxels
from caloforge.deployment.fast.hits_kernel import deposits_of_hits, mixtures
from caloforge.deployment.fast.mlp import FastMLP
from caloforge.deployment.fast.packed import Packed
from caloforge.deployment.fast.panels import Floats, aligned
from caloforge.errors import CaloforgeError
from caloforge.factors import VoxelHits, WholeShower
from caloforge.generative.observation import GaussianMixture, Hits, SideBySide
from caloforge.generative.vae import VAE
from caloforge.models.shower_model import ShowerModel
from caloforge.nn.compilation import announced

CHUNK = 48
"""Showers that go through the decoder together: what it says of them stays in the cache."""


class FastAutoencoder(Packed):
    """A shower model of the family `vae` over hits, ready for one core, with the same rules as `FastShowers`: the
    showers of `ShowerModel.decode` up to the rounding of float32, no threads of its own.

        fast = FastAutoencoder.of(load_checkpoint(checkpoint_folder("calogan-vae"))[0])
        deposits_mev = fast.decode(noise, energy_mev)       # noise: as draw_noise(model.noise(), n, generator) gives it
    """

    chunk = CHUNK

    def __init__(self, factor: WholeShower) -> None:
        model, energies, voxels = factor.model, factor.energies, factor.voxels
        observation = model.observation if isinstance(model, VAE) else None
        laws = dict(observation.laws) if isinstance(observation, SideBySide) else {}
        mixture, hits = laws.get("energies"), laws.get("voxels")
        if not (
            isinstance(model, VAE)
            and isinstance(voxels, VoxelHits)
            and isinstance(mixture, GaussianMixture)
            and isinstance(hits, Hits)
        ):
            raise CaloforgeError(
                f"FastAutoencoder knows autoencoders that observe layer energies and hits, but "
                f"{type(model).__name__} over {type(voxels).__name__} was found; use --engine torch, or export the "
                "model to ONNX."
            )
        self._decoder = FastMLP.pack(model.decoder)
        shapes = {f"shower.{name}": noise.shape for name, noise in factor.noise().items()}
        super().__init__(mixture.features, hits.voxels, shapes)
        self._skip, self._components = mixture.outputs, (mixture.components, hits.components)
        self._log_energy = array(energies.log_energy)
        self._to_layers, self._to_voxels = to_layers(energies), to_voxels(voxels)
        self._kept = threading.local()

    @classmethod
    def of(cls, model: ShowerModel) -> FastAutoencoder:
        """Pack a shower model as it is; later changes of its weights are not seen. Raises CaloforgeError where it is
        not one autoencoder of layer energies and hits."""
        factors = dict(model.named_factors())
        factor = factors.get("shower")
        if len(factors) != 1 or not isinstance(factor, WholeShower):
            found = ", ".join(f"{name}: {type(factor).__name__}" for name, factor in factors.items())
            raise CaloforgeError(
                f"FastAutoencoder knows models of one factor, shower: WholeShower, but the model has {found}; use "
                "--engine torch, or export it to ONNX."
            )
        return cls(factor)

    def _chunk(
        self, energy: Floats, draws: Mapping[str, Floats], layers: Floats, out: Floats, mismatch: Floats
    ) -> None:
        n = len(energy)
        given, numbers, x = (memory[:n] for memory in self._workspace())
        given[:, :-1] = draws["shower.z"]
        given[:, -1] = (np.log(energy) - self._log_energy[0]) / self._log_energy[1]
        self._decoder(given, numbers)
        value = draws["shower.energies.value"]
        announced(mixtures)(numbers, self._components[0], draws.get("shower.energies.choice", value), value, x)
        announced(layer_energies)(energy, x, 0, *self._to_layers, layers)
        announced(deposits_of_hits)(
            energy, layers, numbers, self._skip, self._components[1], draws["shower.voxels.choice"],
            draws["shower.voxels.value"], *self._to_voxels, out, mismatch,
        )  # fmt: skip

    def _workspace(self) -> tuple[Floats, Floats, Floats]:
        """Memory of the calling thread for the decoder's inputs, for what it says, and for the layers."""
        kept: tuple[Floats, Floats, Floats] | None = getattr(self._kept, "workspace", None)
        if kept is None:
            sizes = self._decoder.features, self._decoder.outputs, self.n_layers
            kept = self._kept.workspace = (
                aligned((CHUNK, sizes[0])),
                aligned((CHUNK, sizes[1])),
                aligned((CHUNK, sizes[2])),
            )
        return kept
