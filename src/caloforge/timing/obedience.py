"""Was the thread option obeyed? Threads that worked, and CPU time over wall time, on all cores there are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

_WORKED = 0.02
"""A thread counts as working where it was busy for this share of the time."""


class Obedience(TypedDict):
    """threads: in the process. working: of these, those that computed. cpu_over_wall: cores in use on average.
    cores: that it could have used. obeyed: whether no more than the threads asked for worked."""

    threads: int | None
    working: int | None
    cpu_over_wall: float
    cores: int
    obeyed: bool | None


def observe(call: Callable[[], object], asked: int, cores: int, seconds: float = 0.4) -> Obedience:
    """Call again and again for a while and see who computes; `obeyed` is open where only `asked` cores are there."""
    call()
    before, start, cpu = _busy(), time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        call()
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    after = _busy()
    working = [tid for tid, busy in after.items() if busy - before.get(tid, 0.0) > _WORKED * wall]
    ratio = used / wall
    obeyed = None if cores <= asked else ratio < asked + 0.1 and (not after or len(working) <= asked)
    return {
        "threads": len(after) or None, "working": len(working) if after else None, "cpu_over_wall": round(ratio, 3),
        "cores": cores, "obeyed": obeyed,
    }  # fmt: skip


def _busy() -> dict[str, float]:
    """CPU seconds of every thread of this process; empty where there is no /proc."""
    found = {}
    with suppress(OSError):
        for tid in os.listdir("/proc/self/task"):
            with suppress(OSError, ValueError):
                place = Path("/proc/self/task") / tid / "schedstat"
                found[tid] = int(place.read_text(encoding="ascii").split()[0]) / 1e9
    return found
