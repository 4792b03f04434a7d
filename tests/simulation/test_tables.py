"""Geant4's data tables: found, missed, fetched, refused."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from caloforge.errors import CaloforgeError
from caloforge.simulation.install import chosen_sets, install_sets
from caloforge.simulation.tables import (
    DATA_SETS,
    VARIABLE,
    DataSet,
    find_tables,
    require_elements,
    require_sets,
)

TUNGSTEN, URANIUM = 74, 92


def test_the_tables_that_come_along_hold_what_the_presets_need() -> None:
    tables = find_tables("subset")
    require_sets(tables, hadronic=False)
    require_elements(tables, [6, 7, 8, 14, 18, TUNGSTEN, 82])
    with pytest.raises(CaloforgeError, match=r"Z = 92 is missing.*geant4-data install"):
        require_elements(tables, [URANIUM])
    with pytest.raises(CaloforgeError, match=r"PhotonEvaporation6\.1\.2 is missing.*install --hadronic"):
        require_sets(tables, hadronic=True)
    assert tables.commands() == ("/process/em/LivermoreData livermore", "/process/em/fluo false")


def test_every_data_set_has_its_variable(tmp_path: Path) -> None:
    environment = find_tables("subset").environment(tmp_path)
    assert len(DATA_SETS) == 12 and set(environment) == {each.variable for each in DATA_SETS} | {"GEANT4_DATA_DIR"}
    assert environment["G4PARTICLEXSDATA"] == str(tmp_path)
    assert environment["G4LEDATA"].endswith("G4EMLOW")


def test_the_bindings_load_without_asking_or_tidying(tmp_path: Path) -> None:
    """Where CI=true the bindings would list a folder of their own in the home folder, which is not there."""
    program = (
        "import sys; from pathlib import Path; from caloforge.simulation.engine import import_geant4; "
        "from caloforge.simulation.tables import find_tables; import_geant4(find_tables('subset'), Path(sys.argv[1]))"
    )
    environment = {**os.environ, "CI": "true", "HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, stdin=subprocess.DEVNULL, check=True
    )
    assert not any(tmp_path.iterdir())


def test_an_official_folder_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "G4EMLOW8.8" / "epics2017").mkdir(parents=True)
    (tmp_path / "G4EMLOW8.8" / "fluor").mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    tables = find_tables()
    assert tables.commands() == () and tables.origin() == {"G4EMLOW": "G4EMLOW8.8"}
    with pytest.raises(CaloforgeError, match=r"G4ENSDFSTATE3\.0 is missing"):
        require_sets(tables, hadronic=False)


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CaloforgeError, match=r"No Geant4 data tables .*--geant4-data subset"):
        find_tables(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(CaloforgeError, match=r"caloforge geant4-data install"):
        find_tables()


@pytest.mark.parametrize(
    "file",
    [
        "brem_SB/br74",
        "livermore/phot_epics2014/pe-cs-74.dat",
        "livermore/phot_epics2014/pe-low-74.dat",
        "livermore/phot_epics2014/pe-high-74.dat",
        "livermore/rayl/re-cs-74.dat",
    ],
)
def test_a_table_cut_short_is_named(tmp_path: Path, file: str) -> None:
    """Geant4 takes a table that ends early as it is, or ends the process."""
    shutil.copytree(find_tables("subset").root, tmp_path / "tables")
    tables, table = find_tables(tmp_path / "tables"), tmp_path / "tables" / "G4EMLOW" / file
    require_elements(tables, [TUNGSTEN])
    whole = table.read_text(encoding="ascii")
    for left in (whole[: len(whole) // 2], whole.rstrip().rpartition(" ")[0], whole[:8], "", whole[:-20] + "#" * 20):
        table.write_text(left, encoding="ascii")
        with pytest.raises(CaloforgeError, match=rf"{re.escape(table.name)} .*Z = 74 is damaged"):
            require_elements(tables, [TUNGSTEN])
    table.unlink()
    with pytest.raises(CaloforgeError, match=rf"{re.escape(table.name)} .*Z = 74 is missing"):
        require_elements(tables, [TUNGSTEN])


def test_a_relative_folder_is_found_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest names the folder, and jobs of a batch system start in folders of their own."""
    (tmp_path / "mine" / "G4EMLOW8.8").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_tables("mine").name == str(tmp_path / "mine")
    assert find_tables("subset").name == "subset", "not where caloforge is installed here"


def test_which_sets_are_fetched() -> None:
    assert [each.name for each in chosen_sets(False, False)] == ["G4EMLOW", "G4ENSDFSTATE"]
    assert len(chosen_sets(True, False)) == 5 and len(chosen_sets(False, True)) == 12


def _archive(folder: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        content = bytes(range(256)) * 40
        entry = tarfile.TarInfo(f"{folder}/table.dat")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class _Server(ThreadingHTTPServer):
    content = b""
    breaks_after: int | None = None
    ranges: list[str]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        asked = self.headers.get("Range", "")
        server.ranges.append(asked)
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if first >= len(server.content):
            self.send_error(416)
            return
        body = server.content[first:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if server.breaks_after is None else body[: server.breaks_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as running:
        running.ranges = []
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def _one(server: _Server, digest: str | None = None) -> tuple[DataSet, str]:
    server.content = _archive("G4TEST1.0")
    known = digest or hashlib.sha256(server.content).hexdigest()
    each = replace(DATA_SETS[0], name="G4TEST", version="1.0", archive="G4TEST", sha256=known)
    return each, f"http://127.0.0.1:{server.server_address[1]}"


def test_install_then_nothing_to_do(server: _Server, tmp_path: Path) -> None:
    each, address = _one(server)
    seen: list[int] = []
    assert install_sets(tmp_path, [each], lambda _, have, total: seen.append(have), address) == [tmp_path / "G4TEST1.0"]
    assert (tmp_path / "G4TEST1.0" / "table.dat").stat().st_size == 256 * 40
    assert seen[-1] == len(server.content)
    install_sets(tmp_path, [each], None, address)
    assert len(server.ranges) == 1 and [path.name for path in tmp_path.iterdir()] == ["G4TEST1.0"]


def test_a_broken_fetch_goes_on_where_it_stopped(server: _Server, tmp_path: Path) -> None:
    each, address = _one(server)
    server.breaks_after = 100
    with pytest.raises(CaloforgeError, match=r"broke off after 100 of|could not be fetched"):
        install_sets(tmp_path, [each], None, address)
    assert not (tmp_path / "G4TEST1.0").exists()
    server.breaks_after = None
    install_sets(tmp_path, [each], None, address)
    assert server.ranges == ["", "bytes=100-"]
    assert (tmp_path / "G4TEST1.0" / "table.dat").is_file()


def test_a_wrong_checksum_installs_nothing(server: _Server, tmp_path: Path) -> None:
    each, address = _one(server, "0" * 64)
    with pytest.raises(CaloforgeError, match=r"SHA-256 .* nothing was installed"):
        install_sets(tmp_path, [each], None, address)
    assert list(tmp_path.iterdir()) == []


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match="could not be fetched"):
        install_sets(tmp_path, [DATA_SETS[1]], None, "http://127.0.0.1:9")
