"""Our results beside the CaloChallenge's official tables, what cannot be compared marked, and the Pareto fronts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.evaluation.page.reading import NAIVE, headline, kinds
from caloforge.evaluation.results import entries, load_results
from caloforge.registry import nearest

Device = Literal["CPU", "GPU"]
Batch: TypeAlias = Literal["1", "100", "10000", "best"]
Pair: TypeAlias = tuple[float, float | None]
CLASSIFIERS = ("low", "high", "resnet")
POWERS = ("Etot / Einc", "voxel distribution", "E")
FLOOR = "GEANT4"


@dataclass(frozen=True)
class Entry:
    """A model in the table.

    name:    of the submission, or of our sample.
    numbers: value and error by name: auc_low, auc_high, auc_resnet, fpd and kpd (times 1000), log_posterior.
    powers:  mean separation power over the layers, by kind of observable.
    times:   ms per shower by device and batch, as "CPU 1"; spread in the second place.
    parameters: of generation, or None.
    ours:    whether it is a result of `caloforge evaluate`.
    remarks: why it cannot be compared with the official rows; none for those.
    """

    name: str
    numbers: Mapping[str, Pair]
    powers: Mapping[str, float] = field(default_factory=dict)
    times: Mapping[str, Pair] = field(default_factory=dict)
    parameters: int | None = None
    ours: bool = False
    remarks: tuple[str, ...] = ()

    def time(self, device: Device, batch: Batch) -> float | None:
        """ms per shower on a device, with the batch that is named or the one that is fastest."""
        found = [
            pair[0] for key, pair in self.times.items()
            if key.split()[0] == device and (batch == "best" or key.split()[-1] in (batch, "any"))
        ]  # fmt: skip
        return min(found, default=None)


@dataclass(frozen=True)
class Standing:
    """The table of one detector: Geant4 against Geant4 (the floor), official rows and ours."""

    detector: str
    floor: Entry
    entries: tuple[Entry, ...]
    source: str
    units: str

    def ordered(self, key: str = "auc_high") -> list[Entry]:
        """The entries from best to worst by one of their numbers; those without it last."""
        sign = -1.0 if key.startswith("log") else 1.0
        return sorted(self.entries, key=lambda one: sign * one.numbers[key][0] if key in one.numbers else np.inf)


def detectors() -> tuple[str, ...]:
    """Names of the detectors with an official table."""
    return tuple(key for key, value in _shipped().items() if isinstance(value, dict))


def standing(detector: str, results: Sequence[Path | str] = ()) -> Standing:
    """The official table of a detector with our results in it.

    results: results.json files (or folders that hold one) of that detector; every sample in them but the naive
    generators becomes a row. Raises CaloforgeError for a detector without an official table and results of another.
    """
    official = _official(detector)
    rows = [_entry(row) for row in official["rows"]]
    ours: list[Entry] = []
    for path in results:
        found = load_results(path)
        if str(found["detector"]["name"]) != detector:
            raise CaloforgeError(
                f"{path} is about detector '{found['detector']['name']}', expected '{detector}'; "
                "leave it out or choose its detector."
            )
        ours += _ours(found, detector)
    floor = next(row for row in rows if row.name == FLOOR)
    table = _shipped()
    return Standing(
        detector, floor, (*(row for row in rows if row.name != FLOOR), *ours), str(table["source"]), str(table["units"])
    )


def detectors_of(results: Sequence[Path | str]) -> list[str]:
    """The detectors of result files, each once, in their order."""
    return list(dict.fromkeys(str(load_results(path)["detector"]["name"]) for path in results))


def pareto_front(found: Sequence[Entry], device: Device, batch: Batch, key: str = "auc_high") -> list[Entry]:
    """The official entries that no other one beats in both time and AUC, from fastest to slowest.

    Ours are never part of it: their times were measured on other hardware.
    """
    known = [
        (one.time(device, batch), one.numbers[key][0], one) for one in found if not one.ours and key in one.numbers
    ]
    front: list[Entry] = []
    best = np.inf
    for time, auc, one in sorted((item for item in known if item[0] is not None), key=lambda item: item[:2]):
        if time is not None and auc < best:
            front.append(one)
            best = auc
    return front


@cache
def _shipped() -> dict[str, Any]:
    return dict(json.loads((files("caloforge.evaluation") / "standings.json").read_text(encoding="utf-8")))


def _official(detector: str) -> dict[str, Any]:
    if detector not in detectors():
        raise CaloforgeError(
            f"There is no official table for detector '{detector}', only for {', '.join(detectors())}."
            f"{nearest(detector, list(detectors()))}"
        )
    return dict(_shipped()[detector])


def _entry(row: Mapping[str, Any]) -> Entry:
    numbers = {
        key: (float(row[key][0]), row[key][1])
        for key in (*(f"auc_{kind}" for kind in CLASSIFIERS), "fpd", "kpd", "log_posterior", "log_posterior_resnet")
        if key in row
    }
    numbers |= {key: (float(row[key]), None) for key in ("precision", "recall", "density", "coverage") if key in row}
    times = {
        f"{device} {batch}": (float(row[key][0]), row[key][1])
        for device in ("CPU", "GPU")
        for batch in (1, 100, 10000)
        if (key := f"{device.lower()}_{batch}") in row
    }
    powers = {kind: float(found[0]) for kind, found in row.get("separation_power", {}).items()}
    return Entry(str(row["name"]), numbers, powers, times, row.get("parameters_generation"))


def _ours(results: Mapping[str, Any], detector: str) -> list[Entry]:
    found = []
    for name, one in entries(dict(results)).items():
        if name.startswith(NAIVE):
            continue
        numbers: dict[str, Pair] = {}
        for kind in CLASSIFIERS:
            numbers_of = (one.get("classifiers") or {}).get(kind)
            if numbers_of:
                numbers[f"auc_{kind}"] = (float(numbers_of["auc"]), numbers_of.get("auc_error"))
        best = headline(one)
        if best is not None and "auc_high" not in numbers:
            numbers["auc_high"] = (float(best[1]["auc"]), best[1].get("auc_error"))
        for key in ("fpd", "kpd"):
            if one.get(key):
                error = one[key].get("error")
                numbers[key] = (1e3 * float(one[key]["value"]), None if error is None else 1e3 * float(error))
        for key in ("precision", "recall", "density", "coverage"):
            if (one.get("prdc") or {}).get(key) is not None:
                numbers[key] = (float(one["prdc"][key]), None)
        powers = one.get("separation_power") or {}
        means = {
            kind: float(np.mean([powers[member]["value"] for member in members]))
            for kind, members in kinds(list(powers)).items()
        }
        seconds = (results.get("seconds_per_shower") or {}).get(name)
        times: dict[str, Pair] = {}
        if seconds:
            machine = str(results.get("hardware") or "")
            times[f"{device_of(machine)} any"] = (1e3 * float(seconds), None)
        found.append(Entry(name, numbers, means, times, None, True, tuple(_remarks(results, one, detector))))
    return found


def device_of(hardware: str) -> Device:
    """GPU where the hardware's name says so, else CPU."""
    words = ("gpu", "cuda", "nvidia", "geforce", "tesla", "radeon", "instinct")
    return "GPU" if any(word in hardware.lower() for word in words) else "CPU"


def _remarks(results: Mapping[str, Any], one: Mapping[str, Any], detector: str) -> list[str]:
    """Why our numbers cannot be compared with the official ones."""
    said = []
    protocol, shipped = results["protocol"], _shipped()
    if results["detector"]["fingerprint"] != preset(detector).fingerprint():
        said.append("other detector: the grid, depths or threshold are not the official ones")
    if protocol["name"] not in shipped["protocol"]:
        said.append(f"other protocol: {protocol['name']}, official {' and '.join(shipped['protocol'])}")
    if protocol.get("quick"):
        said.append("a quick look")
    kinds_of = one.get("classifiers") or {}
    if kinds_of and "high" not in kinds_of:
        said.append("AUC high is that of the headline classifier")
    n, official = int(results["showers"]["reference"]), int(shipped[detector]["showers"])
    if n != official:
        said.append(f"other data: {n:,} Geant4 showers, official {official:,}")
    if results.get("seconds_per_shower") or {}:
        said.append(f"other hardware: {results.get('hardware') or 'not recorded'}, official not recorded")
    return said
