"""The machine on which times were taken: processor, caches, cores, governor, versions."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

from caloforge import __version__, processor
from caloforge.threads import available_threads

_CPU = Path("/sys/devices/system/cpu/cpu0")


def machine() -> dict[str, Any]:
    """What is known of it; unknown parts are missing."""
    information = processor.information()
    found: dict[str, Any] = {
        "processor": processor.name(),
        "family": " ".join(f"{key} {information[key]}" for key in ("cpu family", "model") if key in information),
        "vector": [
            flag for flag in ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16") if flag in _flags(information)
        ],
        "caches": _caches(),
        "cores": os.cpu_count(),
        "cores_allowed": available_threads(),
        "governor": _text(_CPU / "cpufreq" / "scaling_governor") or "unknown",
        "virtual": "hypervisor" in _flags(information),
        "memory_mb": _memory_mb(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "caloforge": __version__,
    }
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def line(found: dict[str, Any]) -> str:
    """The same in one line."""
    caches = ", ".join(f"{name} {size}" for name, size in found.get("caches", {}).items())
    parts = [
        f"{found['processor']} ({found['family']})" if "family" in found else found["processor"],
        f"{found['cores']} cores", caches, ", ".join(found.get("vector", [])), f"governor {found['governor']}",
        "virtual machine" if found.get("virtual") else "", found["system"], f"Python {found['python']}",
    ]  # fmt: skip
    return "; ".join(part for part in parts if part)


def _flags(information: dict[str, str]) -> list[str]:
    return information.get("flags", "").split()


def _caches() -> dict[str, str]:
    found = {}
    for place in sorted((_CPU / "cache").glob("index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(_text(place / "type"), "")
        found[f"L{_text(place / 'level')}{kind}"] = _text(place / "size")
    return found


def _memory_mb() -> int | None:
    with suppress(ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
    return None


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return ""
