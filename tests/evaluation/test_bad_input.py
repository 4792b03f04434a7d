"""Bad input to `evaluate` is refused in a sentence, odd input is judged with a note."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.evaluation import evaluate
from caloforge.files import file_sha256
from caloforge.models.seen import Seen, merged
from caloforge.showers import Showers, ShowerWriter, open_showers

HISTOGRAMS = ("histograms",)


def written(path: Path, showers: Showers, **attributes: Any) -> Path:
    with ShowerWriter(path, showers.detector, attributes=attributes) as writer:
        writer.append(showers)
    return path


def changed(showers: Showers, **arrays: Any) -> Showers:
    return replace(showers, **arrays)


def test_other_detectors_empty_samples_and_unknown_protocols(ds2, toy_showers) -> None:
    good = toy_showers(50, 1)
    with pytest.raises(
        CaloforgeError, match=r"generated showers are of detector.*6480 voxels.*expected 'small' with 75"
    ):
        evaluate(good, ds2[0])
    with pytest.raises(CaloforgeError, match="generated sample has 0 showers"):
        evaluate(good, good[:0], protocol="small-n")
    with pytest.raises(CaloforgeError, match="generated sample is empty"):
        evaluate(good, good[:0], only=HISTOGRAMS)
    with pytest.raises(CaloforgeError, match="Did you mean 'small-n'"):
        evaluate(good, good, protocol="smal-n")
    with pytest.raises(CaloforgeError, match=r"Protocol '2024-07' is defined for.*use --protocol small-n"):
        evaluate(good, good, protocol="2024-07", only=HISTOGRAMS)
    with pytest.raises(CaloforgeError, match="called 'reference', which means something else"):
        evaluate(good, good, name="reference")


def test_too_few_showers_say_how_many_and_which_protocol_fits(ds2, toy_showers) -> None:
    with pytest.raises(
        CaloforgeError, match=r"has 20 showers.*'small-n' need at least 25.*give more or leave them out"
    ):
        evaluate(toy_showers(50, 1), toy_showers(20, 2))
    with pytest.raises(
        CaloforgeError, match=r"has 400 showers.*need at least 100,000 of each class.*--protocol small-n"
    ):
        evaluate(*ds2, protocol="2024-07")
    with pytest.raises(CaloforgeError, match=r"'caloforge-1' need at least 20,000"):
        evaluate(*ds2, protocol="caloforge-1")


def test_unequal_numbers_where_they_are_allowed_and_where_not(ds2) -> None:
    cut = ds2[1][:300]
    found = evaluate(ds2[0], cut, protocol="2022-10", only=HISTOGRAMS)
    assert found["compared"] == 300 and any("300 of each" in note for note in found["notes"])
    with pytest.raises(CaloforgeError, match=r"reference 400, generated 300.*'2022-10' do not allow.*--generated-rows"):
        evaluate(ds2[0], cut, protocol="2022-10")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_deposits_and_energies_must_be_finite(toy_showers, value: float, side: int) -> None:
    pair = [toy_showers(50, 1), toy_showers(50, 2)]
    pair[side].deposits_mev[3, 3] = value
    with pytest.raises(CaloforgeError, match="has deposits that are not finite"):
        evaluate(*pair, only=HISTOGRAMS)
    pair[side].deposits_mev[3, 3] = 0.1
    pair[side].incident_energy_mev[4] = value
    with pytest.raises(CaloforgeError, match="has incident energies that are not finite"):
        evaluate(*pair, only=HISTOGRAMS)


def test_particles_must_agree_where_files_name_them(toy_showers, tmp_path: Path) -> None:
    files = [
        written(tmp_path / f"{name}.hdf5", toy_showers(60, 1 + index), particle=particle)
        for index, (name, particle) in enumerate((("a", "e-"), ("b", "photon"), ("c", "electron")))
    ]
    a, b, c = (open_showers(path) for path in files)
    with pytest.raises(CaloforgeError, match=r"b.hdf5.*particle 'gamma'.*a.hdf5.*of 'e-'"):
        evaluate(a, b, only=HISTOGRAMS)
    assert evaluate(a, c, only=HISTOGRAMS)["particle"] == "e-"
    assert evaluate(toy_showers(60, 1), toy_showers(60, 2), only=HISTOGRAMS)["particle"] is None


def test_gev_beside_mev_is_refused(toy_showers) -> None:
    good, other = toy_showers(60, 1), toy_showers(60, 2)
    with pytest.raises(CaloforgeError, match=r"deposits of the generated showers.*look like GeV beside MeV"):
        evaluate(good, changed(other, deposits_mev=other.deposits_mev / 1000), only=HISTOGRAMS)
    with pytest.raises(CaloforgeError, match="incident energies of the generated showers"):
        evaluate(good, changed(other, incident_energy_mev=other.incident_energy_mev / 1000), only=HISTOGRAMS)


def test_showers_that_a_model_was_trained_on_are_no_reference(toy_showers, tmp_path: Path) -> None:
    data = written(tmp_path / "geant4.hdf5", toy_showers(200, 1))
    seen = Seen(file_sha256(data), merged([[100, 150], [150, 200]]))
    made = written(tmp_path / "made.hdf5", toy_showers(200, 2), **seen.attributes())
    plain = written(tmp_path / "plain.hdf5", toy_showers(200, 2))
    file = open_showers(data)
    with pytest.raises(CaloforgeError, match=r"100 of the 200 reference showers.*model of 'generated'.*--force"):
        evaluate(file, open_showers(made), only=HISTOGRAMS)
    with pytest.raises(CaloforgeError, match="10 of the 110 reference"):
        evaluate(file.between(0, 110), open_showers(made), only=HISTOGRAMS)
    assert evaluate(file.between(0, 100), open_showers(made), only=HISTOGRAMS)["compared"] == 100
    assert evaluate(file, open_showers(made), only=HISTOGRAMS, force=True)["compared"] == 200
    assert evaluate(file, open_showers(plain), only=HISTOGRAMS)["compared"] == 200
    provenance = {"data": {"sha256": seen.sha256, "training_rows": [[0, 7]], "validation_rows": [[7, 9]]}}
    with pytest.raises(CaloforgeError, match="9 of the 200 reference"):
        evaluate(file, open_showers(plain), only=HISTOGRAMS, models={"generated": provenance})
    with pytest.raises(CaloforgeError, match=r"training showers share 50 rows.*--training-rows"):
        evaluate(file.between(0, 100), open_showers(plain), file.between(50, 200), only=HISTOGRAMS)


def test_many_ranges_of_rows_fit_into_an_attribute_and_hide_none() -> None:
    seen = Seen("0" * 64, tuple((3 * row, 3 * row + 1) for row in range(20_000)))
    attributes = seen.attributes()
    assert len(attributes["training_rows"]) <= 60_000
    again = Seen.of_file(attributes)
    assert again is not None and again.among(0, 60_000) >= seen.among(0, 60_000) == 20_000
    assert Seen.of_file({"training_data_sha256": "0", "training_rows": "[[1"}) is None
    assert json.loads(Seen("0", ((1, 3),)).attributes()["training_rows"]) == [[1, 3]]


def test_empty_showers_are_counted(toy_showers) -> None:
    good, other = toy_showers(60, 1), toy_showers(60, 2)
    other.deposits_mev[:5] = 0.0
    found = evaluate(good, other, only=HISTOGRAMS)
    assert any(note.startswith("5 of 60 generated showers have no deposit") for note in found["notes"])
    with pytest.raises(CaloforgeError, match=r"None of the reference showers has a deposit of at least 0\.01 MeV"):
        evaluate(changed(good, deposits_mev=0 * good.deposits_mev), other, only=HISTOGRAMS)


def test_a_sample_of_empty_showers_is_judged(toy_showers) -> None:
    good = toy_showers(60, 1)
    found = evaluate(good, changed(good, deposits_mev=0 * good.deposits_mev), only=HISTOGRAMS)
    voxels = found["separation_power"]["voxel distribution"]
    assert voxels["value"] == 1.0 and "generated" in voxels["note"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_histograms_empty_on_one_side_or_both_and_layers_below_the_threshold(toy_showers) -> None:
    one, two = toy_showers(80, 1), toy_showers(80, 2)
    layer = one.detector.slices[2]
    one.deposits_mev[:, layer] = 0.001
    found = evaluate(one, two, only=HISTOGRAMS)
    assert any("nothing above the threshold in layer 2" in note for note in found["notes"])
    assert found["separation_power"]["E layer 2"]["value"] == 1.0 and found["separation_power"]["E layer 2"]["note"]
    two.deposits_mev[:, layer] = 0.0
    both = evaluate(one, two, only=HISTOGRAMS)["separation_power"]["E layer 2"]
    assert both["value"] == 0.0 and both["note"]
