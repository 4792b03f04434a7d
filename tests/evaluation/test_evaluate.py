"""The whole judgement on small samples: what it must see, what it must not see, and what it writes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from caloforge.evaluation import (
    PROTOCOLS,
    Panel,
    entries,
    evaluate,
    find_protocol,
    load_results,
    memorisation,
    nearest_distances,
    nearest_rescaled,
)
from caloforge.evaluation.floors import expected_floor, stored_floor
from caloforge.evaluation.naive import GAUSSIAN, NEAREST, diagonal_gaussian
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.scores import expected_error
from caloforge.showers import open_showers


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
        only=("histograms", "classifiers", "memorisation"),
    )
    return found, out


def test_equal_showers_are_not_told_apart_and_spoiled_ones_are(judged) -> None:
    samples = entries(judged[0])
    assert list(samples) == ["generated", "spoiled", NEAREST, GAUSSIAN]
    good, bad = samples["generated"]["classifiers"], samples["spoiled"]["classifiers"]
    assert len(good) == 4
    assert abs(good["headline"]["auc"] - 0.5) < 0.15
    assert bad["headline"]["auc"] > 0.9 > bad["headline"]["floor"] and bad["headline"]["n"] == 150
    assert bad["headline"]["jsd"] > 0.3 > abs(good["headline"]["jsd"])
    layer = samples["spoiled"]["separation_power"]["E layer 1"]
    assert layer["value"] > layer["floor"] + 5 * layer["floor_spread"] and layer["chi2_ndf"] > layer["chi2_ndf_floor"]
    assert not any(sample["indistinguishable"] for sample in samples.values())
    assert samples["spoiled"]["verdict"].startswith("Distinguishable from Geant4")
    assert "quick look" in samples["spoiled"]["verdict"] and "repeats training" in samples[NEAREST]["verdict"]


def test_only_the_copying_generator_is_found_to_copy(judged) -> None:
    found = {name: sample["memorisation"]["found"] for name, sample in entries(judged[0]).items()}
    assert found == {"generated": False, "spoiled": False, NEAREST: True, GAUSSIAN: False}


def test_what_is_written(judged) -> None:
    results, out = judged
    assert load_results(out) == json.loads(json.dumps(results))
    page = (out / "report.html").read_text()
    assert not re.search(r"(src|href)=.?http", page)
    for word in (NEAREST, "small-n", "spoiled"):
        assert word in page
    assert {"figures", "report.html", "report.md", "results.json"} == {path.name for path in out.iterdir()}
    assert set(results["seconds"]) >= {"features", "histograms", "classifiers", "memorisation", "total"}
    assert results["seconds_per_shower"] == {"geant4": 1.0, "spoiled": 0.001}


def test_an_end_in_the_midst_of_writing_leaves_the_old_judgement_whole(
    toy_showers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(seed: int) -> None:
        evaluate(toy_showers(60, 1), toy_showers(60, seed), None, "small-n", 0, tmp_path, True, only=("histograms",))

    def found() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    renamed: list[str] = []

    def rename(source: Path, target: Path) -> None:
        renamed.append(target.name)
        Path(source).rename(target)

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("caloforge.files.os.replace", rename)
    judge(2)
    old = found()
    assert renamed[-3:] == ["report.md", "report.html", "results.json"] and len(renamed) == len(old)
    with monkeypatch.context() as ended, pytest.raises(KeyboardInterrupt):
        ended.setattr("caloforge.evaluation.page.write.html", interrupted)
        judge(3)
    assert found() == old
    judge(3)
    assert found().keys() == old.keys() and found()[tmp_path / "results.json"] != old[tmp_path / "results.json"]


def test_equal_seed_gives_equal_numbers(toy_showers) -> None:
    pair = toy_showers(100, 1), toy_showers(100, 2)
    parts = ("histograms", "classifiers")
    one, two, other = (evaluate(*pair, None, "small-n", seed, None, True, only=parts) for seed in (3, 3, 4))
    assert entries(one) == entries(two) != entries(other)
    assert any("No training showers" in note for note in one["notes"])
    assert one["floor_of_separations"] == {"n": 50, "source": "halves of the reference", "draws": 5}
    assert any("halves of the reference, 50 showers each" in note for note in one["notes"])


def test_full_form_measures_floor_and_growth(toy_showers, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel(seeds=2, floor_splits=2, epochs=2, bootstrap=20, folds=2)
    fast = replace(find_protocol("small-n"), name="fast", panel=panel)
    monkeypatch.setitem(PROTOCOLS._entries, "fast", fast)
    showers = toy_showers(300, 1), toy_showers(300, 2), toy_showers(400, 3)
    found = evaluate(*showers, "fast", only=("classifiers",), repeats=1)
    assert found["floor_of_classifiers"] == {"n": 300, "source": "training showers", "draws": 2}
    assert all(abs(one["floor_jsd"]) < 0.1 for one in found["classifiers"].values())
    assert found["classifiers"]["headline"]["n"] == found["classifiers"]["headline"]["floor_n"] == 300
    assert found["classifiers"]["headline"]["repeats"] == 1
    assert list(found["auc_against_n"]) == ["250", "300"]
    assert sum(one["n"] for one in found["auc_by_energy"]) > 200
    assert "separation_power" not in found


def test_histograms_give_the_golden_numbers_of_ds2(ds2, tmp_path: Path) -> None:
    numbers = json.loads((Path(__file__).parent.parent / "data/golden/golden.json").read_text())["ds2"]
    for protocol in ("2024-07", "caloforge-1"):
        found = evaluate(*ds2, None, protocol, 0, only=("histograms", "prdc"))
        assert "classifiers" not in found and "memorisation" not in found
        values = {name: one["value"] for name, one in found["separation_power"].items()}
        assert values["Etot / Einc"] == pytest.approx(numbers["separation_power"]["Etot / Einc"], rel=1e-6)
        voxels = numbers["separation_power_reference_maximum_inside"]["voxel distribution"]
        assert values["voxel distribution"] == pytest.approx(voxels, rel=2e-5)
        assert {name: found["prdc"][name] for name in numbers["prdc_k5"]} == pytest.approx(numbers["prdc_k5"], rel=1e-6)
        assert found["prdc"]["n"] == 400 and found["prdc"]["floor_n"] == 200
    assert "layer 0" in str(found["bins"].keys()) and found["floor_of_separations"]["n"] == 200


def test_the_stored_floor_has_the_error_of_the_mean_of_its_draws() -> None:
    held_out = Path(str(files("caloforge") / "data" / "calogan_positrons_heldout.hdf5"))
    floor = stored_floor(Sample.gather("geant4", open_showers(held_out), 20), 250)
    assert floor is not None and floor.draws == 20
    mean, spread = floor.auc["headline"]
    assert floor.error("headline") == pytest.approx(spread / 20**0.5)
    assert mean == pytest.approx(expected_floor(250, 3).auc["headline"][0], abs=2 * spread / 20**0.5)


def test_the_expected_floor_of_the_largest_of_three() -> None:
    values = np.random.default_rng(0).normal(0.5, expected_error(250), (100_000, 3))
    for kinds in (1, 2, 3):
        mean, spread = expected_floor(250, kinds).auc["headline"]
        assert mean == pytest.approx(values[:, :kinds].max(axis=1).mean(), abs=3e-4)
        assert spread == expected_error(250)


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
