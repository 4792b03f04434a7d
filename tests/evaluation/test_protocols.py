"""Every protocol says what it is, thresholds act, and the one that fits is chosen."""

from __future__ import annotations

import json

import numpy as np
import pytest

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.evaluation import PROTOCOLS, default_protocol, evaluate, find_protocol
from caloforge.evaluation.protocols import chosen_parts, describe_protocols
from caloforge.evaluation.sample import Sample
from caloforge.showers import Showers

NAMES = ["2022-10", "2023-05", "2023-11", "2024-05", "2024-07", "caloforge-1", "small-n", "vit4hep"]
PHOTONS, DS2, CALOGAN = preset("ds1-photons"), preset("ds2"), preset("calogan")


def test_all_are_there_and_can_be_written() -> None:
    assert PROTOCOLS.names() == NAMES
    assert [row["protocol"].split(" ")[0] for row in describe_protocols()] == NAMES
    for name in NAMES:
        protocol = find_protocol(name)
        text = json.loads(json.dumps(protocol.as_dict()))
        assert text["name"] == name and text["version"] == 1 and not text["quick"]


@pytest.mark.parametrize(
    ("name", "hidden", "vector", "photons", "ds2", "needed", "fpd", "kpd", "prdc"),
    [
        ("2022-10", 512, "2022-10", (10.0, 0.0), (0.5e-3 / 0.033, 0.0), 10, None, None, False),
        ("2023-05", 512, "2022-10", (10.0, 0.0), (0.5e-3 / 0.033, 0.0), 10, 20_000, 5_000, False),
        ("2023-11", 2048, "2023-11", (1.0, 1.0), (0.5e-3 / 0.033,) * 2, 100_000, 20_000, 5_000, False),
        ("2024-05", 2048, "2023-11", (1.0, 1.0), (0.5e-3 / 0.033,) * 2, 100_000, 10_000, 10_000, False),
        ("2024-07", 2048, "2023-11", (1.0, 1.0), (0.5e-3 / 0.033,) * 2, 100_000, 10_000, 10_000, True),
        ("vit4hep", 2048, "2023-11", (0.015, 0.015), (0.015, 0.015), 10, 10_000, 10_000, True),
    ],
)
def test_numbers_of_the_official_protocols(
    name: str, hidden: int, vector: str, photons: tuple[float, float], ds2: tuple[float, float], needed: int,
    fpd: int | None, kpd: int | None, prdc: bool,
) -> None:  # fmt: skip
    one = find_protocol(name)
    assert one.official and one.equal_numbers and one.vector == vector
    for detector, (histograms, classifiers) in ((PHOTONS, photons), (DS2, ds2)):
        assert one.histogram_threshold_mev(detector) == pytest.approx(histograms)
        assert one.classifier_threshold_mev(detector) == pytest.approx(classifiers)
    kinds = {each.kind: each for each in one.classifiers}
    assert kinds["low"].hidden == hidden and kinds["high"].vector == vector
    assert kinds["high"].thresholded == (hidden == 2048)
    assert ("resnet" in kinds) == (name in ("2024-05", "2024-07", "vit4hep"))
    assert kinds["low"].epochs == (100 if name == "vit4hep" else 50) and kinds["low"].batch == 1000
    assert one.needed(DS2) == needed
    assert (one.fpd_min_samples, one.kpd_batch, "prdc" in one.parts) == (fpd, kpd, prdc)
    assert not one.allows(CALOGAN)


def test_needed_showers_of_the_pions() -> None:
    assert find_protocol("2024-07").needed(PHOTONS) == 121_000
    assert find_protocol("2024-07").needed(preset("ds1-pions")) == 120_800


@pytest.mark.parametrize(
    ("detector", "unseen", "name"),
    [
        (DS2, 100_000, "2024-07"),
        (DS2, 99_999, "caloforge-1"),
        (DS2, 19_999, "small-n"),
        (CALOGAN, 200_000, "caloforge-1"),
        (CALOGAN, 20_000, "caloforge-1"),
        (CALOGAN, 1_000, "small-n"),
    ],
)
def test_the_default_fits_the_showers(detector, unseen: int, name: str) -> None:
    assert default_protocol(detector, unseen) == name
    assert find_protocol(name).needed(detector) <= unseen


def test_thresholds_act_on_features_and_results() -> None:
    """Deposits of 0.0151 MeV lie between the thresholds of vit4hep and of the CaloChallenge, those of 1e-5 below."""
    rng = np.random.default_rng(0)
    deposits = rng.exponential(1.0, (60, DS2.n_voxels)).astype(np.float32) + 0.1
    third = DS2.n_voxels // 3
    deposits[:, :third], deposits[:, third : 2 * third] = 1e-5, 0.0151
    showers = Showers(np.full(60, 1e4), deposits, DS2)
    filled = {}
    for name in ("2022-10", "2024-07", "vit4hep"):
        one = find_protocol(name)
        for threshold in (one.histogram_threshold_mev(DS2), one.classifier_threshold_mev(DS2)):
            features = Sample.gather("some", showers, threshold_mev=threshold).features
            filled[name, threshold] = 1 - features.sparsity.mean()
    assert filled["2022-10", 0.0] == pytest.approx(1.0)
    assert filled["vit4hep", 0.015] == pytest.approx(2 / 3)
    assert filled["2024-07", 0.5e-3 / 0.033] == filled["2022-10", 0.5e-3 / 0.033] == pytest.approx(1 / 3)
    other = Showers(showers.incident_energy_mev, np.where(deposits > 0.1, deposits, 0), DS2)
    values = {
        name: evaluate(showers, other, protocol=name, only=("histograms",))["separation_power"]["Sparsity layer 20"]
        for name in ("2024-07", "vit4hep")
    }
    assert values["2024-07"]["value"] == 0.0 and values["vit4hep"]["value"] == 1.0


def test_the_quick_form_and_parts() -> None:
    quick = find_protocol("small-n", quick=True)
    assert quick.quick and quick.name == "small-n" and quick.panel is not None and quick.panel.rows == 250
    with pytest.raises(CaloforgeError, match="'2024-07' has no quick form"):
        find_protocol("2024-07", quick=True)
    assert chosen_parts(find_protocol("2022-10")) == (
        "histograms", "classifiers", "physics", "memorisation", "multiclass",
    )  # fmt: skip
    assert chosen_parts(find_protocol("2024-07"), ("prdc", "histograms")) == ("histograms", "prdc")
    with pytest.raises(CaloforgeError, match="does not define"):
        chosen_parts(find_protocol("2022-10"), ("fpd",))
    with pytest.raises(CaloforgeError, match="--only names 'separations'"):
        chosen_parts(quick, ("separations",))
