"""Productions: the same bytes whatever happens on the way, and what is said when something does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.simulation.conftest import make

from caloforge.detectors import Construction, Plate, preset
from caloforge.errors import CaloforgeError
from caloforge.showers import open_showers
from caloforge.simulation import Request, find_tables, missing_chunks, open_plan, produce, run_here
from caloforge.simulation.chunk import read_chunk
from caloforge.simulation.cluster import _result, run_on_dask
from caloforge.simulation.engine import SLOW_STEPS
from caloforge.simulation.plan import Plan
from caloforge.simulation.produce import make_plan, merge, sidecar
from caloforge.simulation.worker import run_chunks

ASKED: dict[str, Any] = {
    "detectors": (preset("calogan"),),
    "particle": "e+",
    "energies": "uniform:60:90GeV",
    "n": 9,
    "seed": 3,
    "turned": 1,
}
CALOFORGE = [sys.executable, "-c", "from caloforge.cli import main; main()"]
ARGUMENTS = "--detector calogan --particle e+ --energies uniform:60:90GeV -n 9 --seed 3 --turned 1".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that all roads must lead to."""
    return make(tmp_path_factory.mktemp("expected") / "expected.hdf5", workers=1, **ASKED)


def _command(out: Path, *more: str) -> list[str]:
    return [*CALOFORGE, "simulate", *ARGUMENTS, "--geant4-data", "subset", "--out", str(out), *more]


def test_two_workers_give_the_same_bytes(expected: Path, tmp_path: Path) -> None:
    out = make(tmp_path / "two.hdf5", workers=2, **ASKED)
    assert out.read_bytes() == expected.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two.hdf5", "two.hdf5.provenance.json"]


def test_killed_and_started_again(expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed.hdf5"
    running = subprocess.Popen(_command(out), start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    first = tmp_path / "killed.hdf5.partial" / "chunk-000000.npz"
    while not first.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert first.exists() and not out.exists()
    written = first.stat().st_mtime_ns
    plan = open_plan(tmp_path / "killed.hdf5.partial")
    assert 0 < len(missing_chunks(plan)) < len(plan.chunks)
    seen: list[int] = []

    def run(plan: Plan, chunks: Any, done: Any) -> None:
        assert first.stat().st_mtime_ns == written, "a finished chunk is not simulated again"
        run_chunks(plan, chunks, 1, done)

    produce(Request(**ASKED), out, find_tables("subset"), run, lambda chunk: seen.append(chunk.index))
    assert seen == sorted(seen) and len(seen) == len(plan.chunks)
    assert out.read_bytes() == expected.read_bytes()


def test_through_the_bindings_the_hits_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {**ASKED, "energies": "1,2GeV", "n": 2}
    fast = make(tmp_path / "fast.hdf5", workers=1, **few)
    monkeypatch.setenv(SLOW_STEPS, "1")
    slow = make(tmp_path / "slow.hdf5", workers=1, **few)
    assert slow.read_bytes() == fast.read_bytes()
    said = [json.loads(sidecar(file).read_text())["hits_collected"] for file in (fast, slow)]
    assert said[0] == "by the compiled action" and said[1].startswith("through the bindings, because")


def test_parts_of_a_plan_and_a_damaged_chunk(expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts.hdf5"
    plan = make_plan(Request(**ASKED), out, find_tables("subset"))
    assert plan is not None and len(plan.chunks) >= 2
    folder = str(plan.folder)
    for part in ("0", "1"):
        command = [*CALOFORGE, "simulate-chunks", folder, "--part", part, "--of", "2"]
        subprocess.run(command, check=True, capture_output=True)
    assert missing_chunks(plan) == []
    damaged = plan.file(1)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert [chunk.index for chunk in missing_chunks(plan)] == [1]
    subprocess.run(_command(out), check=True, capture_output=True)
    assert out.read_bytes() == expected.read_bytes()
    again = subprocess.run(_command(out), check=True, capture_output=True, text=True)
    assert "is there already" in again.stdout


def test_on_dask(expected: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    out = tmp_path / "dask.hdf5"
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        produce(Request(**ASKED), out, find_tables("subset"), run_on_dask(cluster.scheduler_address))
    assert out.read_bytes() == expected.read_bytes()
    with pytest.raises(CaloforgeError, match="No Dask scheduler answers"):
        run_on_dask("tcp://127.0.0.1:9")(Plan(tmp_path, Request(**ASKED), find_tables("subset")), [], print)


def test_a_chunk_that_the_cluster_lost_is_said() -> None:
    chunk, future = Plan(Path("x"), Request(**ASKED), find_tables("subset")).chunks[1], Future[Any]()
    future.set_exception(RuntimeError("the worker\n was killed"))
    content, problem = _result(future, chunk)
    assert content == b"" and problem.startswith("Chunk 1 failed on the Dask cluster (the worker was killed)")
    assert problem.endswith("the same command goes on.")


def test_a_shower_does_not_know_those_before_it(expected: Path, tmp_path: Path) -> None:
    """The last shower alone, in a fresh process, is the last of the nine."""
    with open_showers(expected) as file:
        last_shower = file.read(8, 9)
    plan = Plan(tmp_path, Request(**ASKED), find_tables("subset"))
    last = plan.chunks[-1]
    alone = type(last)(last.index, 8, 9, last.gev, "")
    plan.__dict__["chunks"] = (*plan.chunks[:-1], alone)
    plan.begin()
    script = (
        "import sys; from pathlib import Path; from caloforge.simulation.plan import *; "
        "from caloforge.simulation.chunk import *; plan = open_plan(Path(sys.argv[1])); "
        f"chunk = Chunk({last.index}, 8, 9, 0.0, ''); simulate_chunk(plan, chunk, engine_for(plan))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True)
    arrays = read_chunk(plan.file(last.index), alone)
    assert arrays is not None
    np.testing.assert_array_equal(arrays["deposits_0"][0], last_shower.deposits_mev[0])


def test_what_the_file_says(expected: Path) -> None:
    with h5py.File(expected) as file:
        said = dict(file.attrs)
        assert file["overflow"].shape == (9, 3) and file["showers_turned"].shape == (9, 1, 504)
        assert (file["incident_energies"][:] > 60_000).all()
    assert said["production_cut_mm"] == 0.7 and said["scoring"] == "prestep" and said["seed"] == 3
    assert said["number"] == ASKED["n"]
    assert "Geant4 11.4" in said["generator"] and json.loads(said["geant4_data"])["G4EMLOW"] == "subset"
    assert not any("second" in name or "cpu" in name for name in said), "what varies stands in the sidecar"
    beside = json.loads(sidecar(expected).read_text())
    assert beside["cpu_seconds"]["mean_per_shower"] > 0 and beside["hardware"]["cores"] >= 1
    assert beside["construction"]["plates"][0] == {"material": "G4_Pb", "thickness_mm": 2.0, "read": True}


def test_another_runs_file_is_not_touched(expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.hdf5"
    shutil.copy(expected, out)
    with pytest.raises(CaloforgeError, match="exists and belongs to another run"):
        make_plan(Request(**{**ASKED, "seed": 4}), out, find_tables("subset"))
    with pytest.raises(CaloforgeError, match=r"was made with other Geant4 tables .*subset"):
        shutil.copytree(find_tables("subset").root, tmp_path / "tables")
        make_plan(Request(**ASKED), out, find_tables(tmp_path / "tables"))
    out.write_text("precious")
    with pytest.raises(CaloforgeError, match="exists and belongs to another run"):
        make_plan(Request(**ASKED), out, find_tables("subset"))
    assert out.read_text() == "precious"


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(
        CaloforgeError, match=r"9 showers of 1,008 voxels need up to 0\.0435 MB in .* but 0\.01 MB are free"
    ):
        make_plan(Request(**ASKED), tmp_path / "x.hdf5", find_tables("subset"))
    (tmp_path / "x.hdf5.partial").mkdir()
    (tmp_path / "x.hdf5.partial" / "chunk-000000.npz").write_bytes(bytes(34_000))
    plan = make_plan(Request(**ASKED), tmp_path / "x.hdf5", find_tables("subset"))
    assert plan is not None, "what is simulated already needs no room"


def test_a_kill_while_files_are_merged_leaves_nothing_beside_the_folder(
    expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "merged.hdf5"
    plan = make_plan(Request(**ASKED), out, find_tables("subset"))
    assert plan is not None
    arrays = dict(np.load(_chunks(expected, plan)))
    seen: list[list[str]] = []

    def look(file: Path, chunk: Any) -> Any:
        seen.append([path.name for path in tmp_path.iterdir()])
        return {name: a[chunk.first : chunk.stop] if a.ndim else a for name, a in arrays.items()}

    monkeypatch.setattr(sys.modules[make_plan.__module__], "read_chunk", look)
    merge(plan, out)
    assert all(names == ["merged.hdf5.partial"] for names in seen) and seen
    assert out.read_bytes() == expected.read_bytes()
    plan.begin()
    assert make_plan(Request(**ASKED), out, find_tables("subset")) is None
    assert not plan.folder.exists(), "what a kill after the last rename has left is tidied up"


def _chunks(expected: Path, plan: Plan) -> Path:
    """All showers of a file as one chunk."""
    with open_showers(expected) as file:
        showers = file.read()
    place = plan.folder / "all.npz"
    np.savez(
        place,
        deposits_0=showers.deposits_mev,
        overflow_0=showers.extras["overflow"],
        turned_0=showers.extras["showers_turned"],
        cpu_seconds=np.ones(len(showers)),
        geant4=np.array(str(file.attributes["generator"]).rpartition(" ")[2]),
        slow_because=np.array(""),
    )
    return place


def test_two_detectors_need_two_names(tmp_path: Path) -> None:
    request = Request(**{**ASKED, "detectors": (preset("ds2"), preset("ds3")), "turned": 0})
    with pytest.raises(CaloforgeError, match=r"write \{detector\} into its name"):
        make_plan(request, tmp_path / "x.hdf5", find_tables("subset"))
    twice = Request(**{**ASKED, "detectors": (preset("ds2"), preset("ds2")), "turned": 0})
    with pytest.raises(CaloforgeError, match=r"both be written to .*x-ds2\.hdf5"):
        make_plan(twice, tmp_path / "x-{detector}.hdf5", find_tables("subset"))


def test_an_unknown_material_is_named_before_geant4_starts(tmp_path: Path) -> None:
    from dataclasses import replace

    odd = replace(
        preset("calogan"), construction=Construction("boxes", (Plate("G4_Unobtainium", 480, read=True),), 50, 500)
    )
    with pytest.raises(CaloforgeError, match="'G4_Unobtainium' is no material that Geant4 knows"):
        make(tmp_path / "x.hdf5", detectors=(odd,), particle="e-", energies="1GeV", n=1)
    heavy = replace(odd, construction=Construction("boxes", (Plate("G4_U", 480, read=True),), 50, 500))
    with pytest.raises(CaloforgeError, match=r"Z = 92 is missing"):
        make(tmp_path / "y.hdf5", detectors=(heavy,), particle="e-", energies="1GeV", n=1)


def test_a_process_that_dies_is_reported(tmp_path: Path) -> None:
    """A table that Geant4 finds damaged only when it reads it ends the process, as Geant4 does."""
    shutil.copytree(find_tables("subset").root, tmp_path / "tables")
    broken = tmp_path / "tables" / "G4EMLOW" / "livermore" / "phot_epics2014" / "pe-ss-cs-82.dat"
    broken.unlink()

    said = r"A Geant4 process ended by itself .*G4LivermorePhotoElectricModel.*the same command goes on"
    with pytest.raises(CaloforgeError, match=said):
        produce(Request(**ASKED), tmp_path / "x.hdf5", find_tables(tmp_path / "tables"), run_here(1))
