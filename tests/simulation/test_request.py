"""What can be asked for, and what is refused before Geant4 starts."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caloforge.detectors import Construction, Detector, Material, Plate, from_json, preset, to_json
from caloforge.errors import CaloforgeError
from caloforge.simulation import Request
from caloforge.simulation.aim import aim
from caloforge.simulation.laws import parse_law
from caloforge.simulation.plan import CHUNK_GEV, Plan, open_plan, parse_indices
from caloforge.simulation.tables import find_tables


def _request(**changes: Any) -> Request:
    given: dict[str, Any] = {"detectors": (preset("ds2"),), "particle": "e-", "energies": "log:1:100GeV", "n": 50}
    return Request(**{**given, **changes})


def _with_plates(thickness_mm: float) -> Detector:
    """CaloGAN's grid around a single plate."""
    return replace(
        preset("calogan"), construction=Construction("boxes", (Plate("G4_Pb", thickness_mm, read=True),), 50, 500)
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"particle": ""}, "give --particle"),
        ({"particle": "elektron"}, "no known particle .* Did you mean 'electron'"),
        ({"energies": "0.5MeV"}, "from 1 MeV to 100 TeV"),
        ({"energies": "101TeV"}, "from 1 MeV to 100 TeV"),
        ({"energies": "log:1GeV"}, "expected log:1:100GeV"),
        ({"n": 0}, "ask for at least one shower"),
        ({"detectors": (preset("ds1-photons"),)}, "does not say what it is built of"),
        ({"detectors": (preset("ds2"), preset("calogan"))}, "are built differently"),
        ({"detectors": ()}, "no detector is named"),
        ({"cut_mm": 0.0}, "--cut is 0.0 mm"),
        ({"physics": "QGSP"}, "there are em, FTFP_BERT"),
        ({"particle": "pi+"}, "need hadronic physics; give --physics FTFP_BERT"),
        ({"scoring": "midpoints"}, "Did you mean 'midpoint'"),
        ({"theta": "5deg"}, "a barrel of 4000 mm is hit inside"),
        ({"detectors": (preset("calogan"),), "theta": "70deg"}, "hit at up to 60 degrees"),
        ({"theta": "steep"}, "expected a number with its unit"),
        ({"turned": 2}, "the same all around the beam"),
        ({"detectors": (preset("calogan"),), "turned": 2, "smear": "2mm"}, "the same all around the beam"),
        ({"turned": -1}, "give 0 or more"),
        ({"detectors": (_with_plates(10.0),)}, r"Layer '1' of 'calogan' begins at 90 mm, behind its last plate"),
        ({"detectors": (replace(preset("ds1-photons"), construction=preset("ds2").construction),)}, "has no depth"),
        ({"smear": "uniform:-800:0mm"}, "reaches 800 mm, but .* inside its inner radius"),
        ({"detectors": (preset("calogan"),), "smear": "gauss:100mm"}, "reaches 500 mm, but .* on its plates"),
    ],
)
def test_refusals(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CaloforgeError, match=sentence):
        _request(**changes)


def test_a_request_survives_its_document() -> None:
    request = _request(detectors=(preset("ds2"), preset("ds3")), theta="uniform:80:100deg", smear="gauss:2mm", seed=5)
    again = Request.from_document(json.loads(json.dumps(request.document())))
    assert again == request and again.fingerprint() == request.fingerprint()
    assert replace(request, seed=6).fingerprint() != request.fingerprint()


def test_a_detector_file_says_what_it_is_built_of() -> None:
    scintillator = Material("plastic", 1.032, (("C", 0.915), ("H", 0.085)))
    plates = (Plate("G4_Fe", 20), Plate("plastic", 5, read=True)) * 3
    construction = Construction("boxes", plates, 100, 1000, "G4_Galactic", 30.0, (scintillator,))
    detector = replace(preset("calogan"), construction=construction)
    assert from_json(to_json(detector)) == detector
    assert detector.fingerprint() == preset("calogan").fingerprint(), "the read-out is what fixes a detector"
    document = json.loads(to_json(detector))
    document["construction"]["plates"][0]["thicknes_mm"] = 3
    with pytest.raises(CaloforgeError, match=r"unknown key 'thicknes_mm'.*Did you mean 'thickness_mm'"):
        from_json(json.dumps(document))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Construction("boxes", (), 1, 1), "has no plates"),
        (lambda: Construction("sphere", (Plate("G4_W", 1, True),), 1, 1), "give one of boxes, cylinder"),
        (lambda: Construction("boxes", (Plate("G4_W", 1),), 1, 1), "No plate of the construction is read out"),
        (lambda: Construction("boxes", (Plate("G4_W", 1, True),), 1, -1), "width_mm is -1"),
        (lambda: Plate("G4_W", 0), "give a thickness above zero"),
        (lambda: Plate("G4_W", 1, "false"), "read='false'; give true or false"),  # type: ignore[arg-type]
        (lambda: Material("x", -1, (("C", 1),)), "density -1"),
        (lambda: Material("x", 1, (("C", 0.5),)), "add up to 1"),
    ],
)
def test_bad_constructions(make: Any, sentence: str) -> None:
    with pytest.raises(CaloforgeError, match=sentence):
        make()


def test_laws() -> None:
    rng = np.random.default_rng(0)
    assert np.isclose(parse_law("30deg", "--theta", ("deg",)).draw(3, rng), np.pi / 6).all()
    uniform = parse_law("uniform:-5:5mm", "--smear", ("mm",)).draw(10_000, rng)
    assert uniform.min() >= -5 and uniform.max() <= 5 and abs(uniform.mean()) < 0.15
    assert abs(parse_law("gauss:2mm", "--smear", ("mm",)).draw(10_000, rng).std() - 2) < 0.06
    with pytest.raises(CaloforgeError, match="lower and its upper end"):
        parse_law("uniform:5:1mm", "--smear", ("mm",))


def test_the_grid_follows_the_particle_in_a_barrel() -> None:
    barrel = preset("ds2").construction
    assert barrel is not None
    one = aim(barrel, np.radians(60), np.radians(25), np.zeros(2))
    np.testing.assert_allclose(one.axes @ one.axes.T, np.eye(3), atol=1e-12)
    assert np.isclose(np.hypot(*one.origin_mm[:2]), 800), "depth begins at the inner radius"
    np.testing.assert_allclose(one.axes @ one.direction, [0, 0, 1], atol=1e-12)
    assert one.axes[0] @ [0, 0, 1] > 0.8 and np.isclose(one.axes[1] @ [0, 0, 1], 0), "x lies along the axis"
    assert np.isclose(np.linalg.det(one.axes), 1)


def test_an_inclined_particle_meets_the_centre_of_the_first_plate() -> None:
    stack = preset("calogan").construction
    assert stack is not None
    one = aim(stack, np.radians(30), np.radians(90), np.array([1.0, 2.0]))
    way = -one.start_mm[2] / one.direction[2]
    np.testing.assert_allclose(one.start_mm + way * one.direction, [1, 2, 0], atol=1e-9)
    assert np.isclose(one.start_mm[2], -stack.front_mm)


def test_chunks_hold_every_shower_once_and_little_energy(tmp_path: Any) -> None:
    plan = Plan(tmp_path, _request(n=3000), find_tables("subset"))
    ends = [(chunk.first, chunk.stop) for chunk in plan.chunks]
    assert ends[0][0] == 0 and ends[-1][1] == 3000
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ends))
    assert max(chunk.gev for chunk in plan.chunks) <= CHUNK_GEV
    assert np.isclose(sum(chunk.gev for chunk in plan.chunks), plan.request.energies_mev.sum() / 1000)
    dear = Plan(tmp_path, _request(energies="1TeV", n=2), find_tables("subset"))
    assert [(chunk.first, chunk.stop) for chunk in dear.chunks] == [(0, 1), (1, 2)]


def test_a_folder_belongs_to_one_request(tmp_path: Any) -> None:
    tables = find_tables("subset")
    Plan(tmp_path, _request(), tables).begin()
    Plan(tmp_path, _request(), tables).begin()
    with pytest.raises(CaloforgeError, match="begun with another request \\(seed was 0 and is 1\\)"):
        Plan(tmp_path, _request(seed=1), tables).begin()


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"schema": 1}', '{"schema": 1, "request": {}}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(CaloforgeError, match="is no manifest of a simulation"):
            open_plan(tmp_path)


def test_chunk_numbers() -> None:
    assert parse_indices("3,7-9", 10) == [3, 7, 8, 9]
    for text in ("3,x", "10", "9-3"):
        with pytest.raises(CaloforgeError, match=f"--only {text}"):
            parse_indices(text, 10)


def test_seeds_belong_to_showers() -> None:
    request = _request(n=50)
    seeds = {tuple(request.seeds(i)) for i in range(50)}
    assert len(seeds) == 50
    assert all(0 < seed < 2**31 for pair in seeds for seed in pair)
    assert _request(n=5).seeds(3) == request.seeds(3)
