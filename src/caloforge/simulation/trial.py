"""One small shower in a process of its own, to find out whether Geant4 can be used."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_SECONDS = 120


def try_geant4(place: str | None) -> tuple[bool, str]:
    """Whether an electron of 100 MeV showers in `ds2` with the tables at `place`, and what is to be said about it."""
    with tempfile.TemporaryDirectory() as empty:
        command = [sys.executable, "-m", "caloforge.simulation.trial", empty, *([place] if place else [])]
        try:
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            return False, f"no shower within {_SECONDS} s"
    said = [line for line in done.stdout.splitlines() if line.startswith("caloforge: ")]
    if done.returncode == 0 and said:
        return True, said[-1].removeprefix("caloforge: ")
    words = " ".join(done.stderr.strip().splitlines()[-2:]) or f"Geant4 ended the process (code {done.returncode})"
    return False, words


def _main(empty: str, place: str | None) -> None:
    from caloforge.detectors import preset
    from caloforge.errors import CaloforgeError
    from caloforge.simulation.chunk import simulate
    from caloforge.simulation.engine import Engine
    from caloforge.simulation.request import Request
    from caloforge.simulation.steps import POINTS
    from caloforge.simulation.tables import find_tables

    try:
        request = Request((preset("ds2"),), "e-", "100MeV", 1)
        tables = find_tables(place)
        engine = Engine(
            request.construction, request.physics, request.cut_mm, POINTS[request.point], tables, Path(empty)
        )
        energy = float(simulate(request, 0, 1, engine)["deposits_0"].sum())
    except CaloforgeError as error:
        sys.exit(str(error))
    slow = f", hits through the bindings because {engine.slow_because}" if engine.slow_because else ""
    print(f"\ncaloforge: Geant4 {engine.version}, 100 MeV in ds2 give {energy:.1f} MeV{slow}")


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
