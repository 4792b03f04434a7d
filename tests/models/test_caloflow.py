"""CaloFlow over a small detector: shapes, sums, thresholds, seeded sampling, and weights that carry the fit."""

import pytest
import torch

from caloforge.detectors import Detector, preset
from caloforge.generative.contracts import Density, Sampler
from caloforge.models.build import build
from caloforge.models.shower_model import ShowerModel

SMALL = {
    "family": "caloflow",
    "energies": {"blocks": 2, "hidden": 16, "tail_bound": 6.0},
    "voxels": {"blocks": 2, "hidden": 16, "tail_bound": 6.0},
    "beta": 1.01,
    "alpha": 1e-9,
    "noise_mev": 5e-3,
}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return preset("calogan")


@pytest.fixture(scope="module")
def showers(detector: Detector) -> tuple[torch.Tensor, torch.Tensor]:
    """Showers without physics that still have empty voxels and one empty layer."""
    generator = torch.Generator().manual_seed(3)
    energy = 1e3 + 9.9e4 * torch.rand(200, generator=generator)
    deposits = torch.rand(200, detector.n_voxels, generator=generator) ** 8
    deposits[deposits < 0.05] = 0
    deposits[:5, detector.slices[2]] = 0
    return energy, deposits / deposits.sum(-1, keepdim=True) * 0.99 * energy[:, None]


@pytest.fixture(scope="module", params=["shares", "energies"])
def model(
    request: pytest.FixtureRequest, detector: Detector, showers: tuple[torch.Tensor, torch.Tensor]
) -> ShowerModel:
    torch.manual_seed(0)
    model = build(SMALL | {"voxel_space": request.param}, detector).eval()
    model.fit(*showers)
    return model


def test_is_a_sampler_of_mev(model: ShowerModel, showers: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert isinstance(model, Sampler)
    deposits = model.sample(showers[0], torch.Generator().manual_seed(1))
    assert deposits.shape == showers[1].shape
    assert deposits.isfinite().all() and (deposits >= 0).all()
    assert deposits.sum(-1).le(1.01 * showers[0] * (1 + 1e-5)).all()


def test_generated_layers_sum_to_the_first_factor(model: ShowerModel) -> None:
    factors = dict(model.named_factors())
    energy = torch.tensor([5e3, 5e4])
    state = {"incident_energy_mev": energy, "layer_energy_mev": torch.tensor([[900.0, 4e3, 0.004], [9e3, 4e4, 50.0]])}
    written = factors["voxels"].write(torch.randn(2, 504, generator=torch.Generator().manual_seed(2)), state)
    sums = torch.stack([written["deposits_mev"][:, layer].sum(-1) for layer in model.detector.slices], -1)
    torch.testing.assert_close(sums[:, :2], state["layer_energy_mev"][:, :2])
    assert sums[0, 2] == 0, "a layer below the threshold stays empty"


@pytest.mark.parametrize("name", ["energies", "voxels"])
def test_encode_and_write_are_inverse(
    name: str, model: ShowerModel, showers: tuple[torch.Tensor, torch.Tensor]
) -> None:
    energy, deposits = showers
    factor = dict(model.named_factors())[name]
    assert isinstance(factor.model, Density)
    batch = factor.encode(energy, deposits, torch.Generator().manual_seed(4))
    assert batch["x"].isfinite().all() and batch["context"].isfinite().all()
    layers = torch.stack([deposits[:, layer].sum(-1) for layer in model.detector.slices], -1)
    written = factor.write(batch["x"], {"incident_energy_mev": energy, "layer_energy_mev": layers})
    if name == "energies":
        torch.testing.assert_close(written["layer_energy_mev"], layers, rtol=1e-3, atol=0.02)
    else:
        torch.testing.assert_close(written["deposits_mev"], deposits, rtol=2e-3, atol=0.02)


def test_noise_is_fresh_and_seeded(model: ShowerModel, showers: tuple[torch.Tensor, torch.Tensor]) -> None:
    factor = dict(model.named_factors())["voxels"]
    first, again, other = (factor.encode(*showers, torch.Generator().manual_seed(seed))["x"] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_weights_carry_the_fit(
    model: ShowerModel, detector: Detector, showers: tuple[torch.Tensor, torch.Tensor]
) -> None:
    space = "energies" if "factors.voxels.lowest" in model.state_dict() else "shares"
    twin = build(SMALL | {"voxel_space": space}, detector)
    twin.eval().load_state_dict(model.state_dict())
    seeds = (torch.Generator().manual_seed(8) for _ in range(2))
    assert torch.equal(*(shower_model.sample(showers[0][:20], next(seeds)) for shower_model in (model, twin)))
