"""Memory of a process: its resident high-water mark, and what it allocated by memray with native traces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

MISSING = "memray is not installed; pip install 'caloforge[memray]'"


def reset_high_water() -> bool:
    """Begin the high-water mark anew at what is resident now; says whether the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def resident_mb(key: str = "VmHWM") -> float | None:
    """High-water mark (or `VmRSS`: what is resident now) in MB of this process; nothing where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(row.split()[1]) * 1024 / 1e6 for row in lines if row.startswith(f"{key}:")), None)


def traced_peak_mb(work: Callable[[], object], capture: Path) -> tuple[float, int]:
    """Peak in MB and number of the allocations of a call, native ones included; the capture stays as a file."""
    import memray

    capture.unlink(missing_ok=True)
    with memray.Tracker(capture, native_traces=True):
        work()
    with memray.FileReader(capture) as reader:
        found = reader.metadata
    return found.peak_memory / 1e6, int(found.total_allocations)


def flame_graph(capture: Path, page: Path) -> bool:
    """The allocations at the peak as an HTML page; says whether memray could draw it."""
    command = [sys.executable, "-m", "memray", "flamegraph", "--force", "-o", str(page), str(capture)]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0 and page.exists()


def can_trace() -> bool:
    """Whether memray is installed."""
    return find_spec("memray") is not None
