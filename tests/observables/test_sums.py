"""The pass over the voxels against plain numpy, on every kind of detector and on showers that are out of order."""

from __future__ import annotations

import numpy as np
import pytest
import transcription

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.observables import FeatureTable, VoxelBins, high_level, layer_sums, scratch, voxel_counts
from caloforge.observables.spectrum import Array

NAMES = ("ds1-photons", "ds1-pions", "ds2", "ds3", "calogan", "siw-ecal")


def sparse(name: str, n: int, dtype: type = np.float32) -> Array:
    """Showers with a fifth of the voxels hit, over four orders of magnitude; one is empty, one has a single voxel."""
    detector, rng = preset(name), np.random.default_rng(3)
    deposits = rng.lognormal(np.log(detector.threshold_mev) + 1, 2.0, (n, detector.n_voxels))
    deposits[rng.random(deposits.shape) < 0.8] = 0.0
    deposits[0] = 0.0
    deposits[1] = 0.0
    deposits[1, detector.n_voxels // 2] = 1e3
    return deposits.astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_features_are_those_of_the_transcription(name: str, dtype: type) -> None:
    detector, energy = preset(name), np.linspace(1e4, 1e5, 6)
    deposits = sparse(name, 6, dtype)
    threshold = float(dtype(detector.threshold_mev))
    found = high_level(deposits, energy, detector)
    expected = transcription.features(deposits.astype(np.float64), energy, detector, threshold)
    table = found.table()
    assert set(expected) <= set(table)
    for key, values in expected.items():
        np.testing.assert_allclose(table[key], values, rtol=1e-9, atol=1e-5, err_msg=key)
    vector = transcription.vector(expected, energy, detector)
    np.testing.assert_allclose(found.vector(), vector, rtol=1e-9, atol=1e-6)


def test_the_older_vector_is_part_of_the_newer_one() -> None:
    features = high_level(sparse("ds2", 3), np.full(3, 1e4), preset("ds2"))
    old, new = features.vector("2022-10"), features.vector()
    assert (old.shape[1], new.shape[1]) == (226, 362)
    np.testing.assert_array_equal(old, new[:, :226])
    with pytest.raises(CaloforgeError, match="kind is '2021', expected '2022-10'"):
        features.vector("2021")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "edges", [np.logspace(-2, 3, 50), np.linspace(0, 50, 8), np.array([1.0, 1.0 + 1e-7, 2.0]), np.array([0.5, 0.7])]
)
def test_voxels_are_counted_as_numpy_does(edges: Array, dtype: type) -> None:
    detector, rng = preset("calogan"), np.random.default_rng(0)
    deposits = rng.lognormal(0.0, 3.0, (4, detector.n_voxels)).astype(dtype)
    deposits[rng.random(deposits.shape) < 0.5] = 0.0
    on_edges = edges.astype(dtype)
    deposits[0, : len(edges)] = on_edges
    deposits[1, : len(edges)] = np.nextafter(on_edges, dtype(np.inf))
    deposits[2, : len(edges)] = np.nextafter(on_edges, dtype(0))
    deposits[3] = 0.0
    bins = VoxelBins(edges)
    counts = voxel_counts(deposits, 0.02, bins)
    np.testing.assert_array_equal(counts, layer_sums(deposits, detector, 0.02, bins).counts)
    for row, shower in zip(counts, deposits, strict=True):
        values = shower[shower >= dtype(0.02)].astype(np.float64)
        np.testing.assert_array_equal(row[1:-1], np.histogram(values, edges)[0])
        assert row[0] == np.sum(values < edges[0]) and row[-1] == np.sum(values > edges[-1])


def test_edges_that_make_no_bins_are_refused() -> None:
    for edges in ([1.0], [2.0, 1.0], [-1.0, 1.0], [0.0, np.inf], [1.0, np.nan]):
        with pytest.raises(CaloforgeError, match="expected finite, increasing numbers"):
            VoxelBins(np.array(edges))


def test_what_is_not_finite_is_found_in_the_sums_and_what_is_negative_counts_as_zero() -> None:
    detector = preset("ds2")
    deposits = sparse("ds2", 4)
    clean = high_level(deposits, np.ones(4), detector)
    deposits[2, 300] = np.nan
    deposits[3, 300] = np.inf
    energy = layer_sums(deposits, detector, detector.threshold_mev, None).energy
    assert np.flatnonzero(~np.isfinite(energy).all(axis=0)).tolist() == [2, 3]
    deposits = sparse("ds2", 4)
    deposits[deposits == 0] = -5.0
    found = high_level(deposits, np.ones(4), detector)
    np.testing.assert_array_equal(found.vector(), clean.vector())


def test_without_a_threshold_only_deposits_count_as_hits() -> None:
    deposits = np.zeros((1, 504), dtype=np.float32)
    deposits[0, 0] = np.float32(1e-45)
    found = high_level(deposits, np.ones(1), preset("calogan"), threshold_mev=0.0)
    assert found.sparsity[0].tolist() == [1 - 1 / 288, 1.0, 1.0]


@pytest.mark.parametrize("name", ["ds1-pions", "calogan"])
def test_a_table_in_a_file_holds_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caloforge.observables.spill.SPILL_BYTES", 0)
    whole = high_level(sparse(name, 9), np.linspace(1, 9, 9), preset(name))
    table = FeatureTable(9, whole[:0])
    for start in (0, 4, 8):
        table.put(start, whole[start : start + 4])
    found = table.features()
    np.testing.assert_array_equal(found.vector(), whole.vector())
    for key, values in whole.table().items():
        np.testing.assert_array_equal(found.table()[key], values)


def test_scratch_says_where_there_is_no_room(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = scratch((3, 5), np.float64, spill_bytes=0)
    array[:] = 2.0
    assert array.sum() == 30.0 and not list(tmp_path.iterdir())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(CaloforgeError, match="set TMPDIR to another folder"):
        scratch((3, 5), np.float64, spill_bytes=0)
