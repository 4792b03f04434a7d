"""The result of an evaluation as data: results.json, its schema, and which results may share a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from caloforge.documents import refuse_newer
from caloforge.errors import CaloforgeError
from caloforge.evaluation.shape import fault
from caloforge.files import write_text

SCHEMA = 2
JUDGED = (
    "separation_power", "classifiers", "fpd", "kpd", "prdc", "correlations", "physics", "auc_by_energy",
    "memorisation", "weights", "auc_against_n", "indistinguishable", "verdict",
)  # fmt: skip
"""Keys that belong to one sample: at the top level for the first one, under `others` for each further one."""

Results = dict[str, Any]


def plain(value: Any) -> Any:
    """The same as data that JSON can say: lists, plain numbers; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def as_json(results: Results) -> str:
    """The text of a result file."""
    return json.dumps(results, indent=1, allow_nan=False) + "\n"


def save_results(results: Results, path: Path | str) -> None:
    """Write a result file, all or nothing."""
    write_text(path, as_json(results))


def load_results(path: Path | str) -> Results:
    """Read a result file.

    Raises CaloforgeError where it is missing, no JSON, no result of `caloforge evaluate`, of another schema, or where
    parts that tables read are missing or of another kind.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "results.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaloforgeError(
            f"{path} cannot be read ({error.strerror or error}); give a results.json of `caloforge evaluate`."
        ) from error
    except ValueError as error:
        raise CaloforgeError(f"{path} is no JSON ({error}); give a results.json of `caloforge evaluate`.") from error
    schema = found.get("schema") if isinstance(found, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise CaloforgeError(f"{path} says no schema, expected {SCHEMA}; give a results.json of `caloforge evaluate`.")
    refuse_newer(str(path), schema, SCHEMA)
    if schema < SCHEMA:
        raise CaloforgeError(
            f"{path} has schema {schema}, which this caloforge no longer reads (it reads {SCHEMA}); "
            "run `caloforge evaluate` again."
        )
    wrong = fault(found)
    if wrong is not None:
        raise CaloforgeError(f"{path} {wrong}, which schema {SCHEMA} requires; run `caloforge evaluate` again.")
    return dict(found)


def entries(results: Results) -> dict[str, dict[str, Any]]:
    """What was found of every sample, by its name, the judged one first: the keys `JUDGED` of each."""
    first = {key: results[key] for key in JUDGED if key in results}
    return {str(results["name"]): first, **results["others"]}


def compared_showers(results: Results) -> int:
    """How many showers of each sample were compared: numbers that grow or shrink with it never share a table."""
    return int(results.get("compared", results["showers"]["reference"]))


def same_table(*results: Results) -> None:
    """Raise CaloforgeError, in a sentence, where results may not stand side by side.

    They must share protocol and version, quick or not, detector, particle, and the numbers of showers of every class
    of numbers that they have in common.
    """
    if not results:
        raise CaloforgeError("There are no results to compare; give at least one results.json.")
    for first, other in combinations(results, 2):
        for what, one, two in _what_must_agree(first, other):
            if one != two:
                raise CaloforgeError(
                    f"The results of '{first['name']}' and '{other['name']}' differ in {what} ({one} and {two}) and "
                    "cannot share a table; evaluate both in the same way."
                )


def _what_must_agree(one: Results, two: Results) -> list[tuple[str, Any, Any]]:
    pairs: list[tuple[str, Any, Any]] = []
    for what, key in (("protocol", "name"), ("version of the protocol", "version"), ("--quick", "quick")):
        pairs.append((what, one["protocol"].get(key), two["protocol"].get(key)))
    detectors = one["detector"], two["detector"]
    if detectors[0]["fingerprint"] != detectors[1]["fingerprint"]:
        said = [f"{each['name']} {each['fingerprint']}" for each in detectors]
        pairs.append(("detector", said[0], said[1]))
    if one.get("particle") and two.get("particle"):
        pairs.append(("particle", one["particle"], two["particle"]))
    pairs.append(("the number of showers compared", compared_showers(one), compared_showers(two)))
    for key, what in (
        ("classifiers", "showers per class of the classifiers"),
        ("prdc", "showers of PRDC"),
        ("fpd", "showers of FPD"),
    ):
        sizes = [_size(results, key) for results in (one, two)]
        if None not in sizes:
            pairs.append((f"the number of {what}", sizes[0], sizes[1]))
    return pairs


def _size(results: Results, key: str) -> int | None:
    """The number of showers of a part, or None where it is absent."""
    found = results.get(key)
    if not found:
        return None
    if key == "classifiers":
        found = next(iter(found.values()))
    return None if found.get("n") is None else int(found["n"])
