"""Features and separation powers against the numbers of the official evaluation code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import transcription

from caloforge.detectors import preset
from caloforge.observables import (
    Features,
    VoxelBins,
    binnings,
    compare_counts,
    discrete_energies,
    energy_edges,
    high_level,
    response_edges,
    separation_power,
    voxel_counts,
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


def near(value: float, numbers: dict[str, Any], key: str, rel: float = 1e-6) -> None:
    """The official number; where it hangs on the last bit of the reference's maximum, that which counts it."""
    known = numbers["separation_power"] | numbers["separation_power_reference_maximum_inside"]
    assert value == pytest.approx(known[key], rel=rel, abs=1e-9), key


def test_every_separation_power(golden) -> None:
    name, numbers, reference, generated, *_ = golden
    edges, ours = binnings(preset(name), reference), generated.table()
    assert list(edges) == list(reference.table())
    for key, values in reference.table().items():
        near(separation_power(values, ours[key], edges[key]), numbers, key)
    expected = set(numbers["separation_power"]) | set(numbers["separation_power_reference_maximum_inside"])
    assert set(edges) == {key for key in expected if " at E" not in key} - {"voxel distribution"}


def test_voxel_energies(golden) -> None:
    name, numbers, _, _, reference, generated = golden
    threshold = preset(name).threshold_mev
    edges = energy_edges(threshold, float(reference.max()), 50)
    counts = [voxel_counts(showers, threshold, VoxelBins(edges)) for showers in (reference, generated)]
    near(compare_counts(*counts, edges).separation, numbers, "voxel distribution", 2e-5)


def test_the_transcription_says_the_same(golden) -> None:
    name, numbers, one, two, reference, generated = golden
    samples = [
        (showers.astype(np.float64), features.incident_energy_mev)
        for showers, features in ((reference, one), (generated, two))
    ]
    found = transcription.separations(*samples, preset(name), numbers["threshold_mev"])
    for key, value in found.items():
        near(value, numbers, key, 2e-5 if key == "voxel distribution" else 1e-6)


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
