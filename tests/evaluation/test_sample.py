"""Samples are the same however they are read, and their numbers those of the official code under its names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.evaluation.case import Case
from caloforge.evaluation.protocols import find_protocol
from caloforge.evaluation.sample import Sample, each_chunk, spans
from caloforge.evaluation.separations import VOXELS, Binned, separations, voxel_edges
from caloforge.observables import BINNINGS, binnings
from caloforge.showers import Showers, open_showers, write_showers

GOLDEN = Path(__file__).parent.parent / "data" / "golden"


def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caloforge.evaluation.sample.CHUNK_ROWS", 37)


def equal(one: Sample, two: Sample) -> None:
    assert one.features.vector().tobytes() == two.features.vector().tobytes()
    assert one.mean_mev.tobytes() == two.mean_mev.tobytes() and one.brightest_mev == two.brightest_mev


def test_the_number_of_threads_changes_no_byte(ds2, monkeypatch: pytest.MonkeyPatch) -> None:
    small_chunks(monkeypatch)
    found = [Sample.gather("reference", ds2[0], threads=threads) for threads in (1, 2, 5)]
    edges = voxel_edges(found[0])
    histograms = [sample.voxel_histograms(edges, threads) for sample, threads in zip(found, (1, 2, 5), strict=True)]
    for sample, histogram in zip(found[1:], histograms[1:], strict=True):
        equal(found[0], sample)
        assert histograms[0].tobytes() == histogram.tobytes()
    parts = [(sample.features, histogram) for sample, histogram in zip(found, histograms, strict=True)]
    bins = binnings(ds2[0].detector, found[0].features)
    compared = [separations(parts[0], parts[1], bins, edges, found[0], threads=threads) for threads in (1, 3)]
    assert repr(compared[0]) == repr(compared[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_file_a_table_on_disk_and_one_pass_give_the_same(dtype, toy_showers, tmp_path, monkeypatch) -> None:
    small_chunks(monkeypatch)
    showers = toy_showers(150, 1)
    showers = Showers(showers.incident_energy_mev, showers.deposits_mev.astype(dtype), showers.detector)
    write_showers(tmp_path / "a.hdf5", showers)
    whole = Sample.gather("reference", showers)
    edges = voxel_edges(whole)
    monkeypatch.setattr("caloforge.observables.spill.SPILL_BYTES", 0)
    file = open_showers(tmp_path / "a.hdf5")
    spilled = Sample.gather("reference", file, voxel_edges=edges)
    assert spilled.features.vector().tobytes() == whole.features.vector().tobytes()
    np.testing.assert_allclose(spilled.mean_mev, whole.mean_mev, rtol=1e-12)
    np.testing.assert_array_equal(spilled.voxel_histograms(edges), whole.voxel_histograms(edges))
    part = Sample.gather("reference", file, 40)
    assert len(part) == 40
    np.testing.assert_array_equal(part.features.vector(), whole.features[:40].vector())
    np.testing.assert_allclose(whole.mean_mev, showers.above_threshold().deposits_mev.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("name", ["ds2", "ds1_photons"])
def test_every_official_number_of_a_pair_of_files(name: str) -> None:
    numbers = json.loads((GOLDEN / "golden.json").read_text())[name]
    detector = preset(name.replace("_", "-"))
    files = [open_showers(GOLDEN / f"{name}_{side}.hdf5", detector) for side in ("reference", "generated")]
    reference = Sample.gather("reference", files[0])
    edges = voxel_edges(reference)
    generated = Sample.gather("generated", files[1], voxel_edges=edges)
    parts = [Binned.of(sample, edges).rows(slice(None)) for sample in (reference, generated)]
    bins = BINNINGS["2023-11"].edges(detector, reference.features)
    found = separations(parts[0], parts[1], bins, edges, reference)
    expected = numbers["separation_power"] | numbers["separation_power_reference_maximum_inside"]
    assert found.keys() == expected.keys()
    for key, comparison in found.items():
        rel = 2e-5 if key == VOXELS else 1e-6
        assert comparison.separation == pytest.approx(expected[key], rel=rel, abs=1e-9), key
        assert 0.0 <= comparison.error < 0.2 and np.isfinite([comparison.chi2_ndf, comparison.wasserstein]).all()
    everything = np.arange(len(generated))
    total = generated.low_level(everything).sum(dtype=np.float64)
    assert total == pytest.approx(numbers["generated_low_input_sum"], rel=1e-6)


def test_the_threshold_of_a_protocol_takes_the_place_of_the_detectors(toy_showers) -> None:
    showers = toy_showers(60, 1)
    sample = Sample.gather("reference", showers, threshold_mev=5.0)
    assert sample.threshold_mev == sample.features.threshold_mev == 5.0
    expected = showers.above_threshold(5.0).deposits_mev
    np.testing.assert_allclose(sample.features.total_mev, expected.sum(axis=1), rtol=1e-5)
    edges = voxel_edges(sample)
    assert edges[0] == pytest.approx(5.0)
    assert sample.voxel_histograms(edges).sum() == np.count_nonzero(expected)
    rows = np.array([5, 2])
    low = sample.low_level(rows)
    np.testing.assert_allclose(low[:, 1:], expected[rows] / showers.incident_energy_mev[rows, None], rtol=1e-5)


def test_deposits_that_are_not_finite_are_said(toy_showers) -> None:
    for value in (np.nan, np.inf):
        showers = toy_showers(30, 1)
        showers.deposits_mev[7, 3] = value
        with pytest.raises(CaloforgeError, match="The generated sample has deposits that are not finite"):
            Sample.gather("generated", showers)
    with pytest.raises(CaloforgeError, match="is empty"):
        Sample.gather("generated", showers[:0])


def test_showers_of_nothing_and_below_the_threshold_are_compared_with_a_note(toy_showers) -> None:
    good = toy_showers(40, 1)
    faint = Showers(good.incident_energy_mev, good.deposits_mev * np.float32(1e-9), good.detector)
    negative = Showers(good.incident_energy_mev, -good.deposits_mev, good.detector)
    for empty in (faint, negative):
        one, two = Sample.gather("reference", empty), Sample.gather("generated", good)
        edges = voxel_edges(one)
        bins = binnings(good.detector, one.features)
        parts = [Binned.of(sample, edges).rows(slice(None)) for sample in (one, two)]
        found = separations(parts[0], parts[1], bins, edges, one)
        assert all(np.isfinite(comparison.separation) for comparison in found.values())
        assert "reference histogram is empty" in found[VOXELS].note and found[VOXELS].separation == 1.0
        assert found["E layer 1"].reference_outside == (40, 0) and found["E layer 1"].note
        both = separations(parts[0], parts[0], bins, edges, one)
        assert both[VOXELS].separation == 0.0 and "both" in both[VOXELS].note


def case_of(reference: Sample, training: Sample | None, floor: Sample | None, n: int) -> Case:
    return Case(find_protocol("small-n"), 3, reference, {}, training, floor, n)


def test_pairs_for_a_floor_are_disjoint_and_of_equal_numbers(toy_showers) -> None:
    reference, training, further = (Sample.gather("some", toy_showers(n, n)) for n in (60, 80, 50))
    for given, n, size, two, source in (
        ((training, further), 40, 40, further, "a second file"),
        ((training, further), 60, 60, training, "training showers"),
        ((training, None), 60, 60, training, "training showers"),
        ((None, None), 60, 30, reference, "halves of the reference"),
        ((None, further), 55, 30, reference, "halves of the reference"),
    ):
        pair = case_of(reference, *given, n).geant4_pair(n)
        assert pair is not None and (pair.n, pair.source) == (size, source) and pair.two is two
        assert len(set(pair.one_rows)) == len(set(pair.two_rows)) == size
        if pair.two is reference:
            assert not set(pair.one_rows) & set(pair.two_rows)
        again, other = (case_of(reference, *given, n).geant4_pair(n, draw) for draw in (0, 1))
        assert np.array_equal(again.two_rows, pair.two_rows) and not np.array_equal(other.two_rows, pair.two_rows)
    assert case_of(reference, None, None, 1).geant4_pair(1) is None


def test_chunks_end_where_those_of_the_file_do(toy_showers, tmp_path: Path) -> None:
    write_showers(tmp_path / "a.hdf5", toy_showers(50, 1))
    file = open_showers(tmp_path / "a.hdf5")
    file._block = 7
    assert list(spans(file, 1999))[-1] == (0, 50)
    assert list(each_chunk(file, lambda start, showers: (start, len(showers)), 20)) == [(0, 20)]
    with pytest.raises(ZeroDivisionError):
        list(each_chunk(file, lambda start, showers: 1 // 0, threads=3))
