"""Chunks decoded here hold what h5py reads, in every layout; each is decoded once; what is unusual is left to h5py."""

from __future__ import annotations

import threading
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.showers import ShowerFile, Showers, decoding, open_showers, write_showers
from caloforge.showers.decoding import Chunks, read_rows

SHAPES = {"rows": (30, 504), "columns": (31, 50), "one": (1, 504), "whole": (100, 504)}


def numbers(dtype: str, shape: tuple[int, ...] = (100, 504)) -> np.ndarray:
    values = np.random.default_rng(0).exponential(1e3, shape)
    values[values < 700] = 0
    return values.astype(dtype)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what was decoded here and not by h5py."""
    sizes: list[int] = []
    real = decoding.zlib_decompress
    monkeypatch.setattr(decoding, "zlib_decompress", lambda raw, size: sizes.append(size) or real(raw, size))
    return sizes


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u1"])
@pytest.mark.parametrize("chunk", SHAPES.values(), ids=SHAPES)
def test_every_chunk_is_decoded_once(chunk, dtype, shuffle, threads, tmp_path, decoded) -> None:
    values = numbers(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=values, chunks=chunk, compression="gzip", shuffle=shuffle)
        assert np.array_equal(read_rows(dataset, 0, 100, threads), values)
        assert len(decoded) == -(-100 // chunk[0]) * -(-504 // chunk[1])
        for start, stop in ((13, 77), (60, 100), (30, 60), (99, 100)):
            found = read_rows(dataset, start, stop, threads)
            assert np.array_equal(found, values[start:stop]) and found.dtype == values.dtype


def test_more_axes(tmp_path: Path, decoded) -> None:
    values = numbers("f4", (20, 9, 16, 45))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=values, chunks=(7, 4, 16, 10), compression="gzip", shuffle=True)
        assert np.array_equal(read_rows(dataset, 3, 20), values[3:])
    assert len(decoded) == 3 * 3 * 1 * 5


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"chunks": (10, 504)},
        {"compression": "lzf"},
        {"compression": "gzip", "fletcher32": True},
        {"compression": "gzip", "scaleoffset": 3},
    ],
    ids=str,
)
def test_other_layouts_are_left_to_h5py(layout, tmp_path, decoded) -> None:
    values = numbers("f4")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=values, **layout)
        assert np.array_equal(read_rows(dataset, 5, 90), dataset[5:90])
    assert not decoded


def test_numbers_of_the_other_byte_order_are_decoded_as_they_are(tmp_path: Path, decoded) -> None:
    values = numbers("f4")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("b", data=values.astype(">f4"), compression="gzip", shuffle=True)
        found = read_rows(dataset, 0, 100)
        assert np.array_equal(found, values) and found.dtype == dataset.dtype
    assert decoded


def test_chunks_that_were_never_written_and_ones_without_a_filter(tmp_path: Path) -> None:
    values = numbers("f4")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset(
            "a", shape=(100, 504), dtype="f4", chunks=(25, 504), compression="gzip", shuffle=True, fillvalue=7.0
        )
        dataset[:25] = values[:25]
        dataset.id.write_direct_chunk((25, 0), values[25:50].tobytes(), filter_mask=3)
        planes = values[50:75].tobytes()
        dataset.id.write_direct_chunk((50, 0), zlib.compress(planes), filter_mask=1)
        assert np.array_equal(read_rows(dataset, 0, 75), values[:75])
        found = read_rows(dataset, 50, 100)
        assert np.array_equal(found[:25], values[50:75]) and np.all(found[25:] == 7.0)


def test_few_rows_of_large_chunks_are_left_to_the_cache(tmp_path: Path, decoded) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("a", data=numbers("f4"), chunks=(100, 504), compression="gzip")
        layout = Chunks.of(dataset)
        assert layout is not None and not layout.worth_it(0, 20) and layout.worth_it(0, 25)
        assert read_rows(dataset, 0, 20).shape == (20, 504)
        assert read_rows(dataset, 40, 40).shape == (0, 504)
    assert not decoded


def test_a_damaged_chunk_is_said(toy: Showers, tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    write_showers(path, toy)
    with h5py.File(path) as file:
        at = file["showers"].id.get_chunk_info(0).byte_offset
    raw = bytearray(path.read_bytes())
    raw[at + 20 : at + 120] = bytes(100)
    path.write_bytes(raw)
    with pytest.raises(CaloforgeError, match="is damaged: rows 0 to"):
        open_showers(path).read()


def test_rows_in_steps_that_do_not_fit_the_chunks_are_decoded_once(toy: Showers, tmp_path, decoded) -> None:
    write_showers(tmp_path / "a.hdf5", toy)
    file = open_showers(tmp_path / "a.hdf5")
    file._block = 64
    decoded.clear()
    parts = list(file.chunks(50, 10, 390))
    assert [len(part) for part in parts] == [50] * 7 + [30]
    whole = Showers.concatenate(parts)
    np.testing.assert_array_equal(whole.deposits_mev, toy.deposits_mev[10:390])
    np.testing.assert_array_equal(whole.incident_energy_mev, toy.incident_energy_mev[10:390])


def test_threads_may_share_a_file(toy: Showers, tmp_path: Path) -> None:
    write_showers(tmp_path / "a.hdf5", toy)
    file = open_showers(tmp_path / "a.hdf5")
    found: dict[int, np.ndarray] = {}

    def work(k: int) -> None:
        found[k] = ShowerFile.read(file, 100 * k, 100 * (k + 1)).deposits_mev

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    np.testing.assert_array_equal(np.concatenate([found[k] for k in range(4)]), toy.deposits_mev)


@pytest.fixture
def toy() -> Showers:
    from caloforge.detectors import preset

    deposits = np.random.default_rng(5).gamma(0.1, 1e3, (400, 504)).astype(np.float32)
    deposits[deposits < 1] = 0
    return Showers(np.linspace(1e4, 1e5, 400, dtype=np.float32), deposits, preset("calogan"))
