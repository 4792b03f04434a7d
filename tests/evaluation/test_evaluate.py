"""The whole judgement on small samples: what it must see, what it must not see, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.evaluation import evaluate, find_protocol, memorisation, nearest_distances, nearest_rescaled
from caloforge.evaluation.naive import GAUSSIAN, NEAREST, diagonal_gaussian
from caloforge.evaluation.sample import Sample


@pytest.fixture(scope="module")
def judged(toy_showers, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    out = tmp_path_factory.mktemp("report")
    found = evaluate(
        toy_showers(150, 1),
        toy_showers(150, 2),
        toy_showers(400, 3),
        "small-n",
        seed=5,
        out=out,
        quick=True,
        extra_generated={"spoiled": toy_showers(150, 4, lost=0.4)},
        seconds_per_shower={"geant4": 1.0, "spoiled": 0.001},
    )
    return found, out


def test_equal_showers_are_not_told_apart_and_spoiled_ones_are(judged) -> None:
    samples = judged[0]["samples"]
    assert list(samples) == ["generated", "spoiled", NEAREST, GAUSSIAN]
    good, bad = samples["generated"]["classifiers"], samples["spoiled"]["classifiers"]
    assert len(good) == 4
    assert abs(good["headline"]["auc"] - 0.5) < 0.15
    assert bad["headline"]["auc"] > 0.9
    assert bad["headline"]["jsd"] > 0.3 > abs(good["headline"]["jsd"])
    floor = judged[0]["floor"]["separation"]["E layer 1"]
    assert samples["spoiled"]["separation"]["E layer 1"]["value"] > floor["mean"] + 5 * floor["spread"]
    assert not any(sample["indistinguishable"] for sample in samples.values())


def test_only_the_copying_generator_is_found_to_copy(judged) -> None:
    found = {name: sample["memorisation"]["found"] for name, sample in judged[0]["samples"].items()}
    assert found == {"generated": False, "spoiled": False, NEAREST: True, GAUSSIAN: False}


def test_what_is_written(judged) -> None:
    results, out = judged
    assert json.loads((out / "results.json").read_text()) == json.loads(json.dumps(results))
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 8
    assert "http" not in page
    for word in ("Separation powers", "Classifiers", NEAREST, "small-n-quick", "faster than Geant4", "1e+03 x"):
        assert word in page
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "results.json"]


def test_equal_seed_gives_equal_numbers(toy_showers) -> None:
    pair = toy_showers(100, 1), toy_showers(100, 2)
    one, two, other = (evaluate(*pair, None, "small-n", seed, None, True) for seed in (3, 3, 4))
    assert one["samples"] == two["samples"] != other["samples"]
    assert any("No training showers" in note for note in one["notes"])


def test_full_form_measures_floor_and_growth(toy_showers, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from caloforge.evaluation.protocols import PROTOCOLS

    fast = replace(find_protocol("small-n"), name="fast", seeds=2, floor_splits=2, epochs=2, bootstrap=20, folds=2)
    monkeypatch.setitem(PROTOCOLS._entries, "fast", fast)
    found = evaluate(toy_showers(300, 1), toy_showers(300, 2), toy_showers(400, 3), "fast", 0)
    assert found["floor"]["classifiers"]["source"] == "measured"
    assert found["floor"]["classifiers"]["n"] == found["showers_per_class"] == 300
    assert list(found["samples"]["generated"]["auc_against_n"]) == ["250", "300"]


def test_protocol_without_classifiers_gives_the_golden_numbers_of_ds2(ds2, tmp_path: Path) -> None:
    numbers = json.loads((Path(__file__).parent.parent / "data/golden/golden.json").read_text())["ds2"]
    found = evaluate(*ds2, None, "caloforge-1", 0, tmp_path)["samples"]["generated"]
    assert "classifiers" not in found
    value = found["separation"]["Etot / Einc"]["value"]
    assert value == pytest.approx(numbers["separation_power"]["Etot / Einc"], rel=1e-6)
    voxels = numbers["separation_power_reference_maximum_inside"]["voxel distribution"]
    assert found["separation"]["voxel distribution"]["value"] == pytest.approx(voxels, rel=2e-5)
    assert (tmp_path / "report.html").exists()


def test_low_level_input_is_the_official_one(ds2) -> None:
    numbers = json.loads((Path(__file__).parent.parent / "data/golden/golden.json").read_text())["ds2"]
    low = Sample.gather("generated", ds2[1]).low_level(np.arange(len(ds2[1])))
    assert low.astype(np.float64).sum() == pytest.approx(numbers["generated_low_input_sum"], rel=1e-6)


def test_memorisation_sees_mirrored_and_scaled_copies(toy_showers) -> None:
    training, unseen = toy_showers(300, 1), toy_showers(200, 2)
    detector = training.detector
    mirrored = training.deposits_mev[:200, detector.symmetries()["mirror-x"]] * 1.3
    reference = nearest_distances(unseen.deposits_mev, training.deposits_mev, detector)
    copies = nearest_distances(mirrored, training.deposits_mev, detector)
    assert copies.max() < 1e-3 < reference.min()
    assert memorisation(copies, reference).found
    assert not memorisation(reference, reference).found


def test_naive_generators_follow_the_energy(toy_showers) -> None:
    training, energy = toy_showers(300, 1), np.linspace(100.0, 1000.0, 150)
    for showers in (nearest_rescaled(training, energy, 0), diagonal_gaussian(training, energy, 0)):
        assert np.all(np.isfinite(showers.deposits_mev))
        assert np.corrcoef(showers.deposits_mev.sum(axis=1), energy)[0, 1] > 0.6
    response = nearest_rescaled(training, energy, 0).deposits_mev.sum(axis=1) / energy
    np.testing.assert_allclose(response, 0.9, rtol=2e-3)


def test_bad_input_is_said_in_a_sentence(ds2, toy_showers) -> None:
    good = toy_showers(50, 1)
    with pytest.raises(CaloforgeError, match=r"6480 voxels.*expected 'small' with 75"):
        evaluate(good, ds2[0])
    with pytest.raises(CaloforgeError, match="generated sample is empty"):
        evaluate(good, good[:0])
    with pytest.raises(CaloforgeError, match="Did you mean 'small-n'"):
        evaluate(good, good, protocol="smal-n")
    with pytest.raises(CaloforgeError, match="at least 25"):
        evaluate(good, good[:20])
    broken = toy_showers(50, 2)
    broken.deposits_mev[3, 3] = np.nan
    with pytest.raises(CaloforgeError, match="not finite"):
        evaluate(good, broken)
