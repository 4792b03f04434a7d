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


_ALLOWED = 0.25
"""Cores beyond those asked for; threads that take turns overlap a little."""


class Obedience(TypedDict):
    """threads: in the process. working: of these, those that computed. cpu_over_wall: cores in use on average.
    wanted_over_wall: the same with the time in which threads were ready and waited for a core, so that a busy machine
    hides nothing. cores: that it could have used. obeyed: whether no more were wanted than threads asked for."""

    threads: int | None
    working: int | None
    cpu_over_wall: float
    wanted_over_wall: float | None
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
    spent = [[now - then for now, then in zip(after[tid], before.get(tid, (0.0, 0.0)), strict=True)] for tid in after]
    ratio = used / wall
    wanted = max(ratio, sum(map(sum, spent)) / wall) if spent else None  # threads that have ended are in `used` alone
    return {
        "threads": len(after) or None,
        "working": sum(cpu > _WORKED * wall for cpu, _ in spent) if spent else None,
        "cpu_over_wall": round(ratio, 3),
        "wanted_over_wall": None if wanted is None else round(wanted, 3),
        "cores": cores,
        "obeyed": None if cores <= asked else (wanted or ratio) < asked + _ALLOWED,
    }


def _busy() -> dict[str, tuple[float, float]]:
    """Seconds on a core and seconds ready to be, of every thread of this process; empty where there is no /proc."""
    found = {}
    with suppress(OSError):
        for tid in os.listdir("/proc/self/task"):
            with suppress(OSError, ValueError):
                place = Path("/proc/self/task") / tid / "schedstat"
                busy, ready, _ = place.read_text(encoding="ascii").split()
                found[tid] = int(busy) / 1e9, int(ready) / 1e9
    return found
