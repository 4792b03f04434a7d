"""Grids, neighbours, symmetries, fingerprints, and the text forms."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from caloforge.detectors import (
    PRESETS,
    CartesianLayer,
    CylindricalLayer,
    Detector,
    from_json,
    load_detector,
    preset,
    read_xml,
    to_json,
    write_xml,
)
from caloforge.errors import CaloforgeError

EXPECTED = {
    "mirror-x": lambda x, y: (-x, y),
    "mirror-y": lambda x, y: (x, -y),
    "mirror-xy": lambda x, y: (-x, -y),
    "quarter-turn": lambda x, y: (y, -x),
    "three-quarter-turn": lambda x, y: (-y, x),
    "mirror-diagonal": lambda x, y: (y, x),
    "mirror-antidiagonal": lambda x, y: (-y, -x),
    "mirror-alpha": lambda x, y: (x, -y),
    "mirror-pi-alpha": lambda x, y: (-x, y),
    "half-turn": lambda x, y: (-x, -y),
}


@pytest.mark.parametrize("name", PRESETS)
def test_symmetries_move_the_centres_as_they_say(name: str) -> None:
    detector = preset(name)
    for kind, moved in detector.symmetries().items():
        p = detector.symmetries()[kind]
        assert np.array_equal(np.sort(p), np.arange(detector.n_voxels))
        assert np.array_equal(detector.layer_of_voxel[p], detector.layer_of_voxel)
        x, y = EXPECTED[kind](detector.x_mm, detector.y_mm)
        assert np.allclose(detector.x_mm[moved], x, atol=1e-9)
        assert np.allclose(detector.y_mm[moved], y, atol=1e-9)


def test_which_symmetries() -> None:
    assert set(preset("calogan").symmetries()) == {"mirror-x", "mirror-y", "mirror-xy"}
    assert set(preset("ds2").symmetries()) == {"mirror-alpha", "mirror-pi-alpha", "half-turn"}
    assert len(preset("siw-ecal").symmetries()) == 7, "with the identity, the eight of the square"
    assert preset("ds1-photons").symmetries() == {}


def test_a_symmetry_the_grid_lacks_is_refused() -> None:
    layer = CartesianLayer("a", (-1, 0, 2), (-1, 1))
    with pytest.raises(CaloforgeError, match="does not have the symmetry 'mirror-x'"):
        Detector("d", (layer,), 0, symmetry=("mirror-x",))
    with pytest.raises(CaloforgeError, match="Did you mean 'mirror-y'"):
        Detector("d", (layer,), 0, symmetry=("miror-y",))


def test_neighbours() -> None:
    assert CartesianLayer("a", (0, 1, 2), (0, 1, 2)).neighbours().tolist() == [[0, 1], [2, 3], [0, 2], [1, 3]]
    ring = CylindricalLayer("a", (0, 1), 4).neighbours()
    assert sorted(map(tuple, ring.tolist())) == [(0, 1), (0, 3), (1, 2), (2, 3)]
    assert CylindricalLayer("a", (0, 1), 2).neighbours().tolist() == [[0, 1]]
    detector = preset("ds2")
    pairs = detector.neighbours()
    assert len(pairs) == 45 * (16 * 8 + 16 * 9)
    assert (detector.layer_of_voxel[pairs[:, 0]] == detector.layer_of_voxel[pairs[:, 1]]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs) and (pairs[:, 0] < pairs[:, 1]).all()


def test_hash_pickle_and_read_only_caches() -> None:
    detector = preset("ds2")
    assert detector.x_mm is detector.x_mm
    assert pickle.loads(pickle.dumps(detector)) == detector
    assert len({detector, pickle.loads(pickle.dumps(detector))}) == 1
    with pytest.raises(ValueError, match="read-only"):
        detector.x_mm[0] = 1


def test_fingerprint_ignores_names_only() -> None:
    detector = preset("calogan")
    renamed = tuple(replace(layer, name="other " + layer.name) for layer in detector.layers)
    assert replace(detector, name="other", layers=renamed, particle="e-").fingerprint() == detector.fingerprint()
    assert replace(detector, threshold_mev=0.02).fingerprint() != detector.fingerprint()
    assert replace(detector, calibration=(1, 2, 3)).fingerprint() != detector.fingerprint()
    assert len({preset(name).fingerprint() for name in PRESETS}) == len(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name: str, tmp_path: Path) -> None:
    detector = replace(preset(name), calibration=tuple(0.1 * (i + 1) for i in range(preset(name).n_layers)))
    assert from_json(to_json(detector)) == detector
    (tmp_path / "d.json").write_text(to_json(detector))
    assert load_detector(tmp_path / "d.json") == detector


@pytest.mark.parametrize("name", ["ds1-photons", "ds1-pions", "ds2", "ds3"])
def test_xml_round_trip(name: str, tmp_path: Path) -> None:
    write_xml(preset(name), tmp_path / "d.xml")
    assert read_xml(tmp_path / "d.xml").same_grid(preset(name))
    assert [x.name for x in read_xml(tmp_path / "d.xml").layers] == [x.name for x in preset(name).layers]


def test_xml_cannot_say_cartesian(tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match="cartesian"):
        write_xml(preset("calogan"), tmp_path / "d.xml")
    assert not list(tmp_path.iterdir())


def _changed(**keys: object) -> str:
    return json.dumps(json.loads(to_json(preset("calogan"))) | keys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "an object with 'layers'"),
        (_changed(schema=2), "schema 2.*update caloforge"),
        (_changed(treshold_mev=1), "unknown key 'treshold_mev'.*Did you mean 'threshold_mev'"),
        (_changed(layers=3), "no list 'layers'"),
        (_changed(layers=[{"kind": "round"}]), "'cylindrical' or 'cartesian'"),
        (_changed(layers=[{"kind": "cylindrical", "name": "a", "r_edges_mm": [0, 1]}]), "missing key"),
        (_changed(threshold_mev="x"), "wrong type"),
        (_changed(threshold_mev=-1), "not negative"),
        (_changed(layers=[]), "no layers"),
        (_changed(calibration=[1]), "one positive factor per layer"),
    ],
)
def test_bad_json(text: str, message: str) -> None:
    with pytest.raises(CaloforgeError, match=message):
        from_json(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r_edges_mm": (0, 2, 1), "n_alpha": 1}, "increasing"),
        ({"r_edges_mm": (0,), "n_alpha": 1}, "at least two"),
        ({"r_edges_mm": (-1, 1), "n_alpha": 1}, "0 or above"),
        ({"r_edges_mm": (0, float("nan")), "n_alpha": 1}, "finite"),
        ({"r_edges_mm": (0, 1), "n_alpha": 0}, "whole number"),
        ({"r_edges_mm": (0, 1), "n_alpha": 1, "front_mm": 1}, "both, or neither"),
        ({"r_edges_mm": (0, 1), "n_alpha": 1, "front_mm": 1, "back_mm": 0}, "less than back_mm"),
    ],
)
def test_bad_layers(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(CaloforgeError, match=message):
        CylindricalLayer("a", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<Bins>", "no XML"),
        ("<Bins/>", "no <Bin>"),
        ('<Bins><Bin name="a"/><Bin name="b"/></Bins>', "several particles"),
        ('<Bins><Bin name="a"><Layer r_edges="0,x" n_bin_alpha="1"/></Bin></Bins>', "no number"),
    ],
)
def test_bad_xml(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "d.xml").write_text(text)
    with pytest.raises(CaloforgeError, match=message):
        read_xml(tmp_path / "d.xml")
