"""Files: lazy reading, streaming writing, round trips of every format, constant memory."""

from __future__ import annotations

import multiprocessing
import pickle
import tracemalloc
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from caloforge.detectors import CartesianLayer, CylindricalLayer, Detector, preset, to_json
from caloforge.errors import CaloforgeError
from caloforge.showers import Showers, ShowerWriter, open_showers, shuffled_chunks, write_showers


def showers_of(detector: Detector, n: int = 7, dtype: type = np.float32, **keywords: object) -> Showers:
    draw = np.random.default_rng(3)
    deposits = draw.exponential(1e5 / detector.n_voxels, (n, detector.n_voxels)).astype(dtype)
    deposits[deposits < np.median(deposits)] = 0
    return Showers(draw.uniform(5e4, 1e5, n).astype(dtype), deposits, detector, **keywords)  # type: ignore[arg-type]


def same(a: Showers, b: Showers, ulp: int = 0) -> None:
    assert a.detector == b.detector
    assert np.array_equal(a.deposits_mev, b.deposits_mev) and a.deposits_mev.dtype == b.deposits_mev.dtype
    np.testing.assert_array_max_ulp(a.incident_energy_mev, b.incident_energy_mev, ulp)
    for mine, theirs in ((a.conditions, b.conditions), (a.extras, b.extras)):
        assert set(mine) == set(theirs)
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("format", "name", "ulp"),
    [
        ("calochallenge", "ds1-photons", 0),
        ("calochallenge", "ds2", 0),
        ("calochallenge", "calogan", 0),
        ("calogan", "calogan", 1),
        ("par04", "ds2", 0),
        ("par04", "ds3", 0),
        ("getting-high", "siw-ecal", 1),
    ],
)
def test_round_trip(format: str, name: str, ulp: int, dtype: type, tmp_path: Path) -> None:
    theta = np.linspace(0.9, 2.2, 7)
    before = showers_of(
        preset(name),
        dtype=dtype,
        conditions={"incident_theta": theta, "pdg": np.full(7, 22)},
        extras={"overflow": np.ones((7, 3))},
    )
    write_showers(tmp_path / "a.h5", before, {"seed": 3}, format=format)
    file = open_showers(tmp_path / "a.h5")
    assert file.format.name == format and len(file) == 7
    assert file.attributes["seed"] == 3 and file.attributes["detector"] == name
    same(file.read(), before, ulp)


def test_the_official_layout(tmp_path: Path) -> None:
    showers = showers_of(preset("ds2"))
    write_showers(tmp_path / "a.hdf5", showers)
    with h5py.File(tmp_path / "a.hdf5") as h5:
        assert h5["incident_energies"].shape == (7, 1)
        assert h5["showers"].shape == (7, 6480)
        assert np.array_equal(h5["showers"][:].reshape(7, 45, 16, 9)[3, 2, 5, 4], showers.deposits_mev[3, 2 * 144 + 49])


def test_calogan_as_its_authors_wrote_it(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["energy"] = np.array([[50.0], [20.0]])
        for k, shape in enumerate([(3, 96), (12, 12), (12, 6)]):
            h5[f"layer_{k}"] = np.zeros((2, *shape))
            h5[f"layer_{k}"][1, 2, 5] = 1000.0 * (k + 1)
        h5["overflow"] = np.ones((2, 3))
    showers = open_showers(tmp_path / "a.h5").read()
    assert showers.detector == preset("calogan")
    assert np.array_equal(showers.incident_energy_mev, [50000, 20000])
    assert np.flatnonzero(showers.deposits_mev[1]).tolist() == [2 * 96 + 5, 288 + 2 * 12 + 5, 432 + 2 * 6 + 5]
    assert showers.extras["overflow"].shape == (2, 3)


def test_par04_is_the_transpose(tmp_path: Path) -> None:
    grid = np.random.default_rng(1).uniform(0, 9, (3, 9, 16, 45)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["incident_energy"], h5["showers"] = np.array([1e4, 2e4, 3e4]), grid
    showers = open_showers(tmp_path / "a.h5").read()
    assert showers.detector == preset("ds2")
    assert showers.deposits_mev[1].reshape(45, 16, 9)[30, 7, 2] == grid[1, 2, 7, 30]


def test_getting_high_as_its_authors_wrote_it(tmp_path: Path) -> None:
    image = np.random.default_rng(1).uniform(0, 3, (2, 30, 30, 30)).astype(np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["30x30/energy"], h5["30x30/layers"] = np.array([[40.0], [90.0]]), image
    showers = open_showers(tmp_path / "a.h5").read()
    assert showers.detector == preset("siw-ecal")
    assert showers.incident_energy_mev.tolist() == [40000, 90000]
    assert showers.deposits_mev[1, 4 * 900 + 7 * 30 + 2] == image[1, 4, 7, 2]


def test_every_way_of_reading_gives_the_same(tmp_path: Path) -> None:
    showers = showers_of(preset("calogan"), 101)
    write_showers(tmp_path / "a.h5", showers)
    file = open_showers(tmp_path / "a.h5")
    same(Showers.concatenate(list(file.chunks(17))), showers)
    same(Showers.concatenate(list(file.chunks(10, 5, 33))), showers[5:33])
    same(file.read(40, 60), showers[40:60])
    file._block = 8
    rows = np.array([100, 3, 3, 50, 7, 8])
    same(file.read_rows(rows), showers[rows])
    assert len(file.read_rows(np.array([], dtype=int))) == 0
    with pytest.raises(CaloforgeError, match="which has 101"):
        file.read_rows(np.array([101]))


def _first_energy(file: object, queue: object) -> None:
    queue.put(float(file.read(0, 1).incident_energy_mev[0]))  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_each_process_opens_the_file_for_itself(method: str, tmp_path: Path) -> None:
    showers = showers_of(preset("calogan"))
    write_showers(tmp_path / "a.h5", showers)
    file = open_showers(tmp_path / "a.h5")
    same(pickle.loads(pickle.dumps(file)).read(), showers)
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    child = context.Process(target=_first_energy, args=(file, queue))
    child.start()
    child.join(60)
    assert child.exitcode == 0 and queue.get() == showers.incident_energy_mev[0]


def test_an_own_detector_travels_with_the_file(tmp_path: Path) -> None:
    detector = Detector("mine", (CylindricalLayer("0", (0, 5, 10), 8, 0, 20),), 0.1)
    write_showers(tmp_path / "a.h5", showers_of(detector))
    assert open_showers(tmp_path / "a.h5").detector == detector
    (tmp_path / "d.json").write_text(to_json(detector))
    with h5py.File(tmp_path / "a.h5", "a") as h5:
        del h5["detector_json"]
    with pytest.raises(CaloforgeError, match="16 voxels per shower, which fits no preset"):
        open_showers(tmp_path / "a.h5")
    assert open_showers(tmp_path / "a.h5", str(tmp_path / "d.json")).detector == detector


def test_bytes_do_not_depend_on_the_parts(tmp_path: Path) -> None:
    showers = showers_of(preset("calogan"), 1200)
    for name, step in (("a", 1200), ("b", 7), ("c", 519)):
        with ShowerWriter(tmp_path / name, showers.detector) as writer:
            for start in range(0, 1200, step):
                writer.append(showers[start : start + step])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    layer = CartesianLayer("0", tuple(range(101)), tuple(range(101)))
    detector = Detector("wide", (layer,), 0)
    part = showers_of(detector, 50)

    def peak(parts: int) -> int:
        path = tmp_path / f"{parts}.h5"
        tracemalloc.start()
        with ShowerWriter(path, detector, compression="lzf") as writer:
            for _ in range(parts):
                writer.append(part)
        for read in open_showers(path).chunks(50):
            assert len(read) == 50
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    few, many = peak(14), peak(40)  # 28 MB and 80 MB
    assert many < few + 1_000_000


def test_writer_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    showers = showers_of(preset("calogan"))
    path = tmp_path / "a.h5"
    write_showers(path, showers)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), ShowerWriter(path, showers.detector) as writer:
        writer.append(showers)
        raise KeyboardInterrupt
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    with pytest.raises(CaloforgeError, match="nothing was written"), ShowerWriter(tmp_path / "b.h5", showers.detector):
        pass
    with (
        pytest.raises(CaloforgeError, match="has infinite deposits"),
        ShowerWriter(tmp_path / "b.h5", showers.detector) as writer,
    ):
        writer.append(Showers(np.ones(1), np.full((1, 504), np.inf), showers.detector))
    with (
        pytest.raises(CaloforgeError, match="those to be added are of 'ds2'"),
        ShowerWriter(tmp_path / "b.h5", showers.detector) as writer,
    ):
        writer.append(showers_of(preset("ds2"), 1))
    with (
        pytest.raises(CaloforgeError, match="the same conditions and extras"),
        ShowerWriter(tmp_path / "b.h5", showers.detector) as writer,
    ):
        writer.append(showers)
        writer.append(showers_of(preset("calogan"), extras={"a": np.ones(7)}))
    assert list(tmp_path.iterdir()) == [path]


def test_no_warning_for_showers_in_mev(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_showers(tmp_path / "a.h5", showers_of(preset("calogan")))
        open_showers(tmp_path / "a.h5")


def test_shuffled_chunks() -> None:
    first = list(shuffled_chunks(103, 10, 3, seed=1, epoch=0))
    assert sorted(np.concatenate(first)) == list(range(103))
    assert len(first) == 4
    assert all(len(set(rows // 10)) <= 3 for rows in first), "a buffer touches no more than its chunks"
    again = list(shuffled_chunks(103, 10, 3, seed=1, epoch=0))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    other = list(shuffled_chunks(103, 10, 3, seed=1, epoch=1))
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))
    with pytest.raises(CaloforgeError, match="at least 1"):
        list(shuffled_chunks(0, 10, 3, 1, 0))


def test_between_is_the_file_with_some_of_its_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    detector = preset("calogan")
    showers = Showers(rng.uniform(1e3, 1e5, 50), rng.random((50, detector.n_voxels)).astype(np.float32), detector)
    write_showers(tmp_path / "a.hdf5", showers)
    file = open_showers(tmp_path / "a.hdf5")
    part = file.between(10, 40).between(5, 25)
    assert (len(file), len(part), file.first_row, part.first_row) == (50, 20, 0, 15)
    np.testing.assert_array_equal(part.read().deposits_mev, showers.deposits_mev[15:35])
    np.testing.assert_array_equal(part.read_rows(np.array([19, 0])).deposits_mev, showers.deposits_mev[[34, 15]])
    np.testing.assert_array_equal(
        np.concatenate([chunk.incident_energy_mev for chunk in part.chunks(7)]), showers.incident_energy_mev[15:35]
    )
    with pytest.raises(CaloforgeError, match="Rows 0 to 21 were asked"):
        part.between(0, 21)
    with pytest.raises(CaloforgeError, match="Rows 3 to 20 were asked"):
        part.read_rows(np.array([3, 20]))
