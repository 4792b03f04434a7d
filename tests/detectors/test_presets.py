"""Presets hold what the official files and papers say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from caloforge.detectors import PRESETS, CartesianLayer, CylindricalLayer, fits, load_detector, preset, read_xml
from caloforge.errors import CaloforgeError

DATA = Path(__file__).parents[1] / "data"
OFFICIAL = {
    "ds1-photons": "binning_dataset_1_photons.xml",
    "ds1-pions": "binning_dataset_1_pions.xml",
    "ds2": "binning_dataset_2.xml",
    "ds3": "binning_dataset_3.xml",
}
VOXELS = {"ds1-photons": 368, "ds1-pions": 533, "ds2": 6480, "ds3": 40500, "calogan": 504, "siw-ecal": 27000}


@pytest.mark.parametrize("name", OFFICIAL)
def test_equals_the_official_xml(name: str) -> None:
    ours, official = preset(name), read_xml(DATA / OFFICIAL[name])
    assert ours.particle == official.particle
    assert [layer.name for layer in ours.layers] == [layer.name for layer in official.layers]
    for mine, theirs in zip(ours.layers, official.layers, strict=True):
        assert isinstance(mine, CylindricalLayer) and isinstance(theirs, CylindricalLayer)
        assert mine.r_edges_mm == theirs.r_edges_mm
        assert mine.n_alpha == theirs.n_alpha
    assert load_detector(DATA / OFFICIAL[name]) is ours


def test_voxel_counts() -> None:
    assert {name: preset(name).n_voxels for name in PRESETS} == VOXELS
    assert fits(504) == ["calogan"]
    assert fits(505) == []


def test_offsets_of_dataset_1() -> None:
    assert preset("ds1-photons").offsets == (0, 8, 168, 358, 363, 368)
    assert preset("ds1-pions").offsets == (0, 8, 108, 208, 213, 363, 523, 533)


def test_thresholds() -> None:
    assert preset("ds1-photons").threshold_mev == preset("ds1-pions").threshold_mev == 1.0
    assert preset("ds2").threshold_mev == preset("ds3").threshold_mev == 0.5e-3 / 0.033
    assert preset("calogan").threshold_mev == 0.01
    assert preset("siw-ecal").threshold_mev == 0.1


def test_calogan_cells() -> None:
    detector = preset("calogan")
    assert [(layer.front_mm, layer.back_mm) for layer in detector.layers] == [(0, 90), (90, 437), (437, 480)]
    for layer, cell in zip(detector.layers, [(160, 5), (40, 40), (40, 80)], strict=True):
        assert isinstance(layer, CartesianLayer)
        assert set(np.diff(layer.x_edges_mm)) == {cell[0]} and set(np.diff(layer.y_edges_mm)) == {cell[1]}
        assert (layer.x_edges_mm[0], layer.x_edges_mm[-1]) == (layer.y_edges_mm[0], layer.y_edges_mm[-1]) == (-240, 240)
    assert np.isclose(detector.volumes_mm3.sum(), 480.0**3)
    assert detector.x_mm[96] == 0 and detector.y_mm[96] == -237.5, "voxel 96 is x bin 1, y bin 0"


def test_cylinder_volume_and_order() -> None:
    detector = preset("ds3")
    assert np.isclose(detector.volumes_mm3.sum(), np.pi * 41.85**2 * 153)
    assert np.isclose(detector.z_mm[0], 1.7) and np.isclose(detector.z_mm[-1], 151.3)
    assert np.isclose(detector.r_mm[1], 1.5 * 2.325), "the radius runs fastest"
    assert np.isclose(np.arctan2(detector.y_mm[18], detector.x_mm[18]), -np.pi + 1.5 * 2 * np.pi / 50)
    assert np.isnan(preset("ds1-photons").z_mm).all()


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(CaloforgeError, match="Did you mean 'calogan'"):
        preset("calogen")
    with pytest.raises(CaloforgeError, match="neither a preset detector"):
        load_detector("nowhere.json")
