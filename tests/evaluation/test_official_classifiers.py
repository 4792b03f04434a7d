"""The CaloChallenge's classifiers: sizes, inputs, splits, selection, calibration, repeats and bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.evaluation.official import (
    KINDS,
    OFFICIAL,
    ClassifierSettings,
    Dense,
    ResNet3D,
    calibrated,
    classifier_inputs,
    image_shape,
    memory_needed,
    network,
    official_classifiers,
    parameters_of,
    performance,
    split_rows,
    train_classifier,
    train_once,
)
from caloforge.evaluation.official import inputs as inputs_module
from caloforge.evaluation.official.calibration import auc_error
from caloforge.evaluation.official.training import batches, steps_per_epoch
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.scores import bootstrap_error
from caloforge.showers import Showers, open_showers

GOLDEN = Path(__file__).parent.parent / "data" / "golden"

PARTS = (0.6, 0.2, 0.2)
SMALL = ClassifierSettings("low", hidden=64, epochs=3, batch=60, learning_rate=1e-3, split=PARTS)
HIGH = replace(SMALL, kind="high", epochs=30, learning_rate=3e-3)


@pytest.fixture(scope="module")
def golden(ds2) -> tuple[Sample, Sample]:
    return Sample.gather("reference", ds2[0]), Sample.gather("generated", ds2[1])


@pytest.fixture(scope="module")
def toys(toy_showers) -> tuple[Sample, Sample, Sample]:
    return tuple(Sample.gather(name, toy_showers(600, seed)) for seed, name in enumerate(("geant4", "same", "third")))


@pytest.mark.parametrize(
    ("detector", "low", "high"),
    [
        ("ds1-photons", 9.15, 8.46),
        ("ds1-pions", 9.49, 8.49),
        ("ds2", 21.7, 9.14),
        ("ds3", 91.3, 9.14),
    ],
)
def test_networks_have_the_published_sizes(detector: str, low: float, high: float) -> None:
    with torch.device("meta"):
        for kind, millions in (("low", low), ("high", high)):
            found = parameters_of(network(preset(detector), ClassifierSettings(kind)))
            assert found / 1e6 == pytest.approx(millions, abs=0.05 if millions > 10 else 0.005)


def test_dense_network_is_the_official_one() -> None:
    parts = [type(part).__name__ for part in Dense(5, 8, 2, dropout=0.1)]
    assert parts == ["Linear", "LeakyReLU", "Dropout"] * 3 + ["Linear"]
    assert "Dropout" not in [type(part).__name__ for part in Dense(5, 8, 2)]
    assert Dense(5, 8, 2)[1].negative_slope == 0.01


@pytest.mark.parametrize(("detector", "image"), [("ds2", (45, 16, 9)), ("ds3", (45, 50, 18))])
def test_resnet_takes_whole_showers_as_an_image(detector: str, image: tuple[int, int, int]) -> None:
    assert image_shape(preset(detector)) == image
    module = ResNet3D(image).eval()
    x = torch.randn(2, 1 + preset(detector).n_voxels)
    with torch.inference_mode():
        assert module(x).shape == (2, 1)
        stem = module.stem(x[:, 1:].reshape(2, 1, *image))
        assert stem.shape == (2, 32, 12, -(-image[1] // 4), -(-image[2] // 4))
    convolutions = [part for part in module.modules() if isinstance(part, torch.nn.Conv3d)]
    weighted = [part for part in convolutions if part.kernel_size != (1, 1, 1)]
    assert len(weighted) + 1 == 18
    assert [part.out_channels for part in weighted] == [32] * 5 + [64] * 8 + [128] * 4
    ours = 7**3 * 32 + 27 * (4 * 32 * 32 + 32 * 64 + 7 * 64 * 64 + 64 * 128 + 3 * 128 * 128)
    short_cuts, norms = 32 * 64 + 64 * 64 + 64 * 128, 2 * (5 * 32 + 8 * 64 + 4 * 128 + 64 + 64 + 128 + 1)
    assert parameters_of(module) == ours + short_cuts + norms + 128 + 1 + 1


def test_resnet_is_refused_where_showers_are_no_image(toys) -> None:
    for detector in (preset("ds1-photons"), toys[0].detector):
        with pytest.raises(CaloforgeError, match=r"not all cylindrical .* use the classifiers low and high"):
            image_shape(detector)
    with pytest.raises(CaloforgeError, match="not all cylindrical"):
        train_classifier("resnet", toys[0], toys[1], replace(SMALL, kind="resnet"))


def test_low_and_high_inputs_are_the_official_ones(golden) -> None:
    numbers = json.loads((GOLDEN / "golden.json").read_text())["ds2"]
    rows = np.arange(400)
    low = classifier_inputs(golden[1], rows, SMALL)
    assert low.dtype == np.float32
    assert low.astype(np.float64).sum() == pytest.approx(numbers["generated_low_input_sum"], rel=1e-6)
    np.testing.assert_array_equal(low, classifier_inputs(golden[1], rows, replace(SMALL, kind="resnet")))
    high = classifier_inputs(golden[1], rows[:5], HIGH)
    np.testing.assert_allclose(high, numbers["generated_high_level_vector_first_5"], rtol=1e-6, atol=2e-6)
    older = classifier_inputs(golden[1], rows, replace(HIGH, vector="2022-10"))
    assert older.shape == (400, 1 + 45 + 4 * 45)


def test_inputs_come_in_the_order_of_the_rows_from_files_too(golden) -> None:
    file = open_showers(GOLDEN / "ds2_generated.hdf5", preset("ds2"))
    stored = Sample.gather("stored", file)
    rows = np.array([399, 0, 17, 250, 18, 0])
    for settings in (SMALL, HIGH, replace(SMALL, kind="low-normed")):
        whole = classifier_inputs(golden[1], np.arange(400), settings)
        np.testing.assert_array_equal(classifier_inputs(stored, rows, settings), whole[rows])


def test_low_normed_input_in_both_forms(golden) -> None:
    sample, rows = golden[1], np.array([7, 3, 399])
    voxels = np.asarray(sample.source.deposits_mev)[rows].astype(np.float64).reshape(3, 45, 144)
    above = np.where(voxels < sample.threshold_mev, 0.0, voxels)
    layers = above.sum(axis=2)
    for normed, shown in (("official", voxels), ("fixed", above)):
        found = classifier_inputs(sample, rows, replace(SMALL, kind="low-normed", normed=normed))
        np.testing.assert_allclose(found[:, 1:-45].reshape(3, 45, 144), shown / (layers[..., None] + 1e-16), rtol=1e-5)
        np.testing.assert_allclose(found[:, -45:], np.log10(layers + 1e-8), rtol=1e-5)
    below = np.array([30])
    weak = replace_deposits(sample, below, 0.4 * sample.threshold_mev)
    official, fixed = (
        classifier_inputs(weak, below, replace(SMALL, kind="low-normed", normed=n)) for n in ("official", "fixed")
    )
    assert official.max() > 1e13
    assert np.abs(fixed).max() <= 8.0


def replace_deposits(sample: Sample, rows: np.ndarray, value: float) -> Sample:
    """The sample with all voxels of some showers at one value."""
    showers = sample.source
    deposits = np.array(showers.deposits_mev)
    deposits[rows] = value
    return Sample.gather("weak", Showers(showers.incident_energy_mev, deposits, showers.detector))


def test_without_threshold_nothing_is_cut(golden) -> None:
    rows, raw = np.arange(20), replace(SMALL, thresholded=False)
    deposits = np.asarray(golden[1].source.deposits_mev)[:20]
    energy = np.asarray(golden[1].source.incident_energy_mev)[:20, None]
    np.testing.assert_allclose(classifier_inputs(golden[1], rows, raw)[:, 1:], deposits / energy, rtol=1e-6)
    whole = classifier_inputs(golden[1], rows, replace(raw, kind="high"))
    assert np.any(whole != classifier_inputs(golden[1], rows, HIGH))


def test_declared_sets_follow_the_protocols() -> None:
    assert set(OFFICIAL) == {"2022-10", "2023-05", "2023-11", "2024-05", "2024-07", "vit4hep"}
    assert {name: "resnet" in sets for name, sets in OFFICIAL.items()} == {
        "2022-10": False, "2023-05": False, "2023-11": False, "2024-05": True, "2024-07": True, "vit4hep": True,
    }  # fmt: skip
    assert official_classifiers("2022-10")["low"].hidden == 512
    newest = official_classifiers("2024-07")["high"]
    assert (newest.hidden, newest.layers, newest.epochs, newest.batch, newest.learning_rate) == (
        2048,
        2,
        50,
        1000,
        2e-4,
    )
    assert newest.counts(100_000, "ds2") == (60_000, 20_000, 20_000)
    assert newest.counts(121_000, "ds1-photons") == (80_000, 20_000, 21_000)
    assert official_classifiers("2022-10")["low"].counts(1001, "") == (600, 200, 201)
    assert official_classifiers("vit4hep")["low"].epochs == 100
    with pytest.raises(CaloforgeError, match=r"no protocol with official classifiers.*Did you mean '2024-07'"):
        official_classifiers("2024-06")


def test_parts_are_disjoint_equally_mixed_and_seeded() -> None:
    found = split_rows(50, 70, (20, 10, 15), 3)
    parts = (found.train, found.test, found.validation)
    assert len(np.unique(np.concatenate(parts))) == 2 * 45
    assert [int(np.sum(part < 50)) for part in parts] == [int(np.sum(part >= 50)) for part in parts] == [20, 10, 15]
    again, other = split_rows(50, 70, (20, 10, 15), 3), split_rows(50, 70, (20, 10, 15), 4)
    np.testing.assert_array_equal(found.validation, again.validation)
    assert np.any(found.validation != other.validation)
    twins = split_rows(50, 50, (20, 10, 15), 3, twins=True)
    np.testing.assert_array_equal(twins.test[:10] + 50, twins.test[10:])


def test_batches_cover_all_and_never_are_of_one() -> None:
    for rows, sizes in ((10, [4, 4, 2]), (9, [4, 5]), (1, [1]), (4, [4])):
        parts = list(batches(torch.arange(rows), 4))
        assert [len(part) for part in parts] == sizes
        assert len(parts) == steps_per_epoch(rows, 4)


def test_calibration_auc_and_jsd_agree_with_their_definitions() -> None:
    from sklearn.metrics import log_loss, roc_auc_score

    rng = np.random.default_rng(0)
    labels = rng.random(4000) < 0.5
    scores = 1 / (1 + np.exp(-3 * rng.normal(labels * 1.0, 1.0)))
    half = np.arange(4000) < 2000
    p = calibrated(scores[half], labels[half], scores[~half])
    truth = labels[~half]
    found = performance(p, truth)
    assert found.auc == pytest.approx(roc_auc_score(truth, p), abs=1e-12)
    assert found.jsd == pytest.approx(1 - log_loss(truth, p) / np.log(2), abs=1e-9)
    assert found.auc_error == pytest.approx(bootstrap_error(p, truth, 400, rng), rel=0.15)
    for low in (0.2, 0.5, 0.8):
        near = np.abs(p - low) < 0.1
        assert truth[near].mean() == pytest.approx(p[near].mean(), abs=0.08)
    assert (p.min(), p.max()) >= (1e-6, 1e-6) and p.max() <= 1 - 1e-6
    assert auc_error(np.zeros(20), np.arange(20) < 10) == 0.0


def spoil(sample: Sample) -> Sample:
    """The sample with the layers in reverse order."""
    showers = sample.source
    deposits = np.asarray(showers.deposits_mev).reshape(len(showers), 45, 144)[:, ::-1].reshape(len(showers), -1)
    return Sample.gather("spoiled", Showers(showers.incident_energy_mev, deposits, showers.detector))


def test_spoiled_showers_of_ds2_are_told_apart(golden) -> None:
    found = train_classifier("high", golden[0], spoil(golden[1]), HIGH, seed=1, repeats=2)
    assert found.auc > 0.98
    assert found.jsd > 0.7
    assert found.as_dict()["n"] == 400
    assert found.as_dict()["repeats"] == 2
    assert found.auc_error == pytest.approx(np.hypot(found.auc_spread, found.auc_statistical))
    assert found.reference[1].mean() > 0.8 > 0.2 > found.generated[1].mean()
    assert np.all(np.diff(found.generated[0]) > 0)


def test_floor_of_equal_showers_is_a_half(toys) -> None:
    found = train_classifier("low", toys[0], toys[1], replace(SMALL, learning_rate=2e-4), seed=2, repeats=4)
    assert abs(found.auc - 0.5) < 2.5 * found.auc_statistical
    assert abs(found.jsd) < 0.15
    assert found.counts == (360, 120, 120)


def test_equal_seeds_give_equal_numbers_and_leave_the_random_state(toys) -> None:
    settings = replace(SMALL, dropout=0.1)
    torch.manual_seed(5)
    one = train_classifier("low", toys[0], toys[1], settings, seed=3)
    after = torch.rand(2)
    torch.manual_seed(5)
    torch.testing.assert_close(after, torch.rand(2))
    two = train_classifier("low", toys[0], toys[1], settings, seed=3)
    other = train_classifier("low", toys[0], toys[1], settings, seed=4)
    assert one.repeats == two.repeats != other.repeats
    np.testing.assert_array_equal(one.generated[1], two.generated[1])


def test_validation_part_is_never_looked_at_before_the_end(toys) -> None:
    settings = replace(SMALL, epochs=6, learning_rate=3e-3)
    rows = np.arange(600)
    table = torch.from_numpy(np.concatenate([classifier_inputs(sample, rows, settings) for sample in toys[:2]]))
    labels = (np.arange(1200) < 600).astype(np.float32)
    split = split_rows(600, 600, (360, 120, 120), 1)
    plain = train_once(table, labels, split, toys[0].detector, settings, 9)
    poisoned_labels, poisoned_table = labels.copy(), table.clone()
    poisoned_labels[split.validation] = 1.0 - labels[split.validation]
    poisoned_table[torch.from_numpy(split.validation)] += 1.0
    swapped = train_once(table, poisoned_labels, split, toys[0].detector, settings, 9)
    moved = train_once(poisoned_table, labels, split, toys[0].detector, settings, 9)
    assert plain.epoch == swapped.epoch == moved.epoch
    assert plain.accuracies == swapped.accuracies == moved.accuracies
    assert plain.epoch == 1 + int(np.argmax(plain.accuracies))
    np.testing.assert_array_equal(plain.probabilities, swapped.probabilities)
    assert swapped.found.auc == pytest.approx(1.0 - plain.found.auc)


def test_training_stops_where_the_test_part_is_told_apart(toys, toy_showers) -> None:
    spoiled = Sample.gather("spoiled", toy_showers(300, 8, lost=1.0))
    found = train_classifier("high", toys[0], spoiled, replace(HIGH, learning_rate=1e-2), reference_rows=np.arange(300))
    assert found.auc == 1.0
    assert found.jsd > 0.99
    assert found.epochs[0] < HIGH.epochs


def test_interrupted_repeats_are_taken_up_again(toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from caloforge.evaluation.official import repeats as module

    call = {"settings": SMALL, "seed": 6, "repeats": 3}
    whole = train_classifier("low", toys[0], toys[1], **call)
    true, count = module.train_once, {"calls": 0}

    def interrupted(*arguments, **more):
        count["calls"] += 1
        if count["calls"] == 2:
            raise KeyboardInterrupt
        return true(*arguments, **more)

    monkeypatch.setattr(module, "train_once", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_classifier("low", toys[0], toys[1], **call, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["low-000.json", "low-000.npz"]
    found = train_classifier("low", toys[0], toys[1], **call, folder=tmp_path)
    assert count["calls"] == 4
    assert found.repeats == whole.repeats
    np.testing.assert_array_equal(found.reference[1], whole.reference[1])
    again = train_classifier("low", toys[0], toys[1], **call, folder=tmp_path)
    assert count["calls"] == 4
    assert again.as_dict() == whole.as_dict()
    with pytest.raises(CaloforgeError, match=r"low-000.json was made with other settings \(seed was 6 and is 7\)"):
        train_classifier("low", toys[0], toys[1], SMALL, seed=7, folder=tmp_path)
    with pytest.raises(CaloforgeError, match=r"other settings \(showers_sha256"):
        train_classifier("low", toys[0], toys[2], SMALL, seed=6, folder=tmp_path)
    (tmp_path / "low-001.npz").write_bytes(b"broken")
    with pytest.raises(CaloforgeError, match=r"low-001.json is damaged .*; remove it"):
        train_classifier("low", toys[0], toys[1], **call, folder=tmp_path)


def test_progress_says_rate_remaining_time_and_every_repeat(toys, capsys: pytest.CaptureFixture[str]) -> None:
    train_classifier("low", toys[0], toys[1], replace(SMALL, epochs=1), repeats=2, show=True)
    shown = capsys.readouterr().err
    assert "low, training 2 of 2: AUC 0." in shown
    assert "steps/s" in shown
    train_classifier("low", toys[0], toys[1], replace(SMALL, epochs=1))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_on_ds2_in_both_precisions(golden, kind: str) -> None:
    rows = np.arange(20)
    for precision in ("float32", "float64"):
        settings = replace(SMALL, kind=kind, hidden=8, epochs=1, batch=12, precision=precision)
        found = train_classifier(kind, *golden, settings, reference_rows=rows, generated_rows=rows)
        assert 0.0 <= found.auc <= 1.0
        assert len(found.reference[0]) == len(found.generated[0]) == 4
        assert found.generated[0].max() < 20


def test_memory_is_said_before_it_is_taken(toys, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = memory_needed(preset("ds3"), ClassifierSettings("low"), 100_000)
    assert needed["inputs"] == 4 * 200_000 * 40_501
    assert needed["total"] == needed["inputs"] + needed["training"]
    assert needed["training"] > 5 * 4 * 91_342_849
    wide = memory_needed(preset("ds3"), ClassifierSettings("low", precision="float64"), 100_000)
    assert wide["training"] == 2 * needed["training"]
    small = memory_needed(toys[0].detector, SMALL, 600)
    monkeypatch.setattr(inputs_module, "free_bytes", lambda: small["training"] - 1)
    with pytest.raises(CaloforgeError, match=r"'low' needs .* GB to train"):
        train_classifier("low", toys[0], toys[1], SMALL)
    monkeypatch.setattr(inputs_module, "free_bytes", lambda: small["training"] + 1)
    plain = inputs_module.check_memory(toys[0].detector, replace(SMALL, batch=2, hidden=1), 600)
    assert plain is not None and "lie in" in plain
    monkeypatch.setattr(inputs_module, "SPILL_BYTES", 1)
    spilled = train_classifier("low", toys[0], toys[1], SMALL, seed=3)
    monkeypatch.setattr(inputs_module, "free_bytes", lambda: None)
    assert train_classifier("low", toys[0], toys[1], SMALL, seed=3).repeats == spilled.repeats


def test_bad_input_is_said_in_a_sentence(golden, toys) -> None:
    for changes, words in (
        ({"kind": "hihg"}, r"kind is 'hihg'.*Did you mean 'high'"),
        ({"batch": 1}, "batch is 1, expected at least 2"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"split": (0.9, 0.2, 0.2)}, "fractions that sum to at most 1"),
        ({"precision": "float16"}, "precision is 'float16'"),
    ):
        with pytest.raises(CaloforgeError, match=words):
            replace(SMALL, **changes)
    with pytest.raises(CaloforgeError, match=r"400 showers of a class, expected at least 100000 .*small-n"):
        train_classifier("low", *golden)
    with pytest.raises(CaloforgeError, match=r"none of ds1-photons.*fractions"):
        train_classifier("low", toys[0], toys[1])
    with pytest.raises(CaloforgeError, match=r"of detector 'small', expected that of the reference sample, 'ds2'"):
        train_classifier("low", golden[0], toys[1], SMALL)
    with pytest.raises(CaloforgeError, match="settings of that kind"):
        train_classifier("high", toys[0], toys[1], SMALL)
    with pytest.raises(CaloforgeError, match="repeats is 0"):
        train_classifier("low", toys[0], toys[1], SMALL, repeats=0)
    with pytest.raises(CaloforgeError, match="at least 10 for the split"):
        train_classifier("low", toys[0], toys[1], SMALL, reference_rows=np.arange(5))
    with pytest.raises(CaloforgeError, match=r"diverged in epoch 1.*smaller learning_rate"):
        train_classifier("low", toys[0], toys[1], replace(SMALL, learning_rate=1e30))
