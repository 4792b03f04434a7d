"""FastAutoencoder against the shower model that it was packed from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caloforge.deployment.fast import FastAutoencoder, FastShowers, fast_showers
from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import draw_noise
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.pretrained import pretrained
from caloforge.models.shower_model import ShowerModel
from caloforge.models.vae import AutoencoderSettings, VaeGivenEnergiesSettings, VaeSettings, vae, vae_given_energies


def small(components: int) -> ShowerModel:
    """A small autoencoder with random weights, fitted to random showers."""
    torch.manual_seed(components)
    size = AutoencoderSettings(latent=3, encoder=(8,), decoder=(20, 11), components=components)
    detector = preset("calogan")
    model = vae(VaeSettings(shower=size, offset_mev=0.1), detector).eval()
    energy = 1e3 + 9.9e4 * torch.rand(200)
    part = torch.rand(200, detector.n_voxels) ** 8
    model.fit(energy, part / part.sum(1, keepdim=True) * energy[:, None] * 0.9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def compare(model: ShowerModel, n: int) -> None:
    """The same showers, to float32's rounding; of 10,000 voxels at most one empty in one of the two alone."""
    generator = torch.Generator().manual_seed(n)
    noise, energy = draw_noise(model.noise(), n, generator), 1e3 + 9.9e4 * torch.rand(n, generator=generator)
    with torch.no_grad():
        state = model.decode_state(noise, {"incident_energy_mev": energy})
    found = FastAutoencoder.of(model).generate(noise, energy)
    ours, theirs = found.deposits_mev, state["deposits_mev"].numpy()
    differ = (ours > 0) != (theirs > 0)
    assert differ.sum() <= ours.size // 10_000
    rows = ~differ.any(1)
    assert (ours > 0).any() and (ours == 0).any()
    np.testing.assert_allclose(ours[rows], theirs[rows], rtol=2e-4, atol=1e-6)
    np.testing.assert_allclose(found.layer_energy_mev, state["layer_energy_mev"].numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.mismatch[rows], state["mismatch"].numpy()[rows], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n", [1, 7, 130])
def test_the_model_that_comes_along(n: int) -> None:
    compare(load_checkpoint(pretrained()["calogan-vae"])[0], n)


@pytest.mark.parametrize("components", [1, 3])
def test_other_mixtures(components: int) -> None:
    compare(small(components), 50)


def test_what_does_not_fit_is_refused() -> None:
    model = small(1)
    fast = FastAutoencoder.of(model)
    noise = draw_noise(model.noise(), 3, torch.Generator().manual_seed(0))
    with pytest.raises(CaloforgeError, match=r"the noise holds \['shower.z'\]"):
        fast.decode({"shower.z": noise["shower.z"]}, torch.full((3,), 5e4))
    with pytest.raises(CaloforgeError, match=r"shower.z is an array of shape \(3, 2\)"):
        fast.decode({**noise, "shower.z": noise["shower.z"][:, 1:]}, torch.full((3,), 5e4))
    with pytest.raises(CaloforgeError, match="above zero"):
        fast.decode(noise, torch.zeros(3))
    with pytest.raises(CaloforgeError, match=r"out is an array of shape \(2, 504\)"):
        fast.decode(noise, torch.full((3,), 5e4), np.zeros((2, 504), np.float32))


def test_each_model_gets_its_class_and_others_are_refused() -> None:
    detector = preset("calogan")
    assert isinstance(fast_showers(small(1)), FastAutoencoder)
    assert isinstance(fast_showers(load_checkpoint(pretrained()["calogan-student"])[0]), FastShowers)
    shares = vae(VaeSettings(voxel_space="incident"), detector)
    with pytest.raises(CaloforgeError, match="the model has shower: IncidentShares; use --engine torch"):
        fast_showers(shares)
    with pytest.raises(CaloforgeError, match="voxels: VoxelHits; use --engine torch"):
        fast_showers(vae_given_energies(VaeGivenEnergiesSettings(), detector))
