"""Features and separation powers against the numbers of the official evaluation code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from caloforge.detectors import preset
from caloforge.observables import (
    Features,
    binnings,
    discrete_energies,
    energy_edges,
    high_level,
    response_edges,
    separation_power,
)

GOLDEN = Path(__file__).parent.parent / "data" / "golden"
SETS = {"ds2": "ds2", "ds1_photons": "ds1-photons"}


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File(GOLDEN / f"{name}.hdf5") as file:
        return file["incident_energies"][:], file["showers"][:]


@pytest.fixture(scope="module", params=list(SETS))
def golden(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any], Features, Features, np.ndarray, np.ndarray]:
    numbers = json.loads((GOLDEN / "golden.json").read_text())[request.param]
    detector = preset(SETS[request.param])
    energy_r, reference = read(f"{request.param}_reference")
    energy_g, generated = read(f"{request.param}_generated")
    return (
        SETS[request.param],
        numbers,
        high_level(reference, energy_r, detector),
        high_level(generated, energy_g, detector),
        reference,
        generated,
    )


def official(name: str) -> str:
    return (
        name.replace("EC eta", "EC Eta")
        .replace("EC phi", "EC Phi")
        .replace("Width eta", "Width Eta")
        .replace("Width phi", "Width Phi")
    )


def test_high_level_vector(golden) -> None:
    _, numbers, reference, generated, *_ = golden
    assert reference.vector().shape[1] == numbers["high_level_vector_dim"]
    for features, side in ((reference, "reference"), (generated, "generated")):
        np.testing.assert_allclose(
            features.vector()[:5], numbers[f"{side}_high_level_vector_first_5"], rtol=1e-6, atol=2e-6
        )
        np.testing.assert_allclose(
            features.vector().mean(axis=0), numbers[f"{side}_high_level_vector_mean"], rtol=1e-6, atol=2e-6
        )


def test_threshold_is_the_official_one(golden) -> None:
    name, numbers, *_ = golden
    assert preset(name).threshold_mev == pytest.approx(numbers["threshold_mev"], rel=1e-12)


def test_every_separation_power(golden) -> None:
    name, numbers, reference, generated, *_ = golden
    detector = preset(name)
    edges = binnings(detector, reference)
    ours = {official(key): value for key, value in generated.table().items()}
    seen = set()
    for key, values in reference.table().items():
        value = separation_power(values, ours[official(key)], edges[key])
        if official(key) in numbers["separation_power"]:
            assert value == pytest.approx(numbers["separation_power"][official(key)], rel=1e-6, abs=1e-9), key
        else:
            inside = numbers["separation_power_reference_maximum_inside"][official(key)]
            assert value == pytest.approx(inside, rel=1e-6, abs=1e-9), key
        seen.add(official(key))
    expected = set(numbers["separation_power"]) | set(numbers["separation_power_reference_maximum_inside"])
    assert seen == {key for key in expected if " at E" not in key} - {"voxel distribution"}


def test_voxel_energies(golden) -> None:
    name, numbers, _, _, reference, generated = golden
    threshold = preset(name).threshold_mev
    one, two = reference[reference >= threshold], generated[generated >= threshold]
    value = separation_power(one, two, energy_edges(threshold, float(one.max()), 50))
    inside = numbers["separation_power_reference_maximum_inside"]["voxel distribution"]
    assert value == pytest.approx(inside, rel=2e-5)


def test_response_at_the_energies_of_dataset_1() -> None:
    numbers = json.loads((GOLDEN / "golden.json").read_text())["ds1_photons"]["separation_power"]
    detector = preset("ds1-photons")
    (energy_r, reference), (energy_g, generated) = read("ds1_photons_reference"), read("ds1_photons_generated")
    one, two = high_level(reference, energy_r, detector), high_level(generated, energy_g, detector)
    energies = discrete_energies(one.incident_energy_mev)
    assert len(energies) == 15
    for index, energy in enumerate(energies):
        a, b = (f[f.incident_energy_mev == energy].table()["Etot / Einc"] for f in (one, two))
        value = separation_power(a, b, response_edges(detector, index))
        assert value == pytest.approx(numbers[f"Etot / Einc at E = {energy}"], rel=1e-6, abs=1e-9)
