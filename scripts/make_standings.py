"""Makes src/caloforge/evaluation/standings.json from the CaloChallenge's result tables.

    python scripts/make_standings.py FOLDER

FOLDER holds leaderboard_ds1_photons.csv, leaderboard_ds1_pions.csv, leaderboard_ds2.csv and leaderboard_ds3.csv: the
tables CaloChallenge_results_*.hdf of the challenge's public repository (homepage, folder final_results), the reference
data of arXiv 2410.21611, each written as CSV. Only facts are kept, rounded to five digits; separation powers as mean,
smallest and largest over the layers.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "src" / "caloforge" / "evaluation" / "standings.json"
DATA = {
    "ds1-photons": ("leaderboard_ds1_photons.csv", 121_000),
    "ds1-pions": ("leaderboard_ds1_pions.csv", 120_800),
    "ds2": ("leaderboard_ds2.csv", 100_000),
    "ds3": ("leaderboard_ds3.csv", 100_000),
}
PAIRS = {
    "auc_low": "binary cls low", "auc_high": "binary cls high", "auc_resnet": "binary cls cnn", "fpd": "FPD * 1e3",
    "kpd": "KPD * 1e3", "log_posterior": "multi cls", "log_posterior_resnet": "multi cls cnn",
    **{f"{unit.lower()}_{batch}": f"time {unit} {batch}" for unit in ("CPU", "GPU") for batch in (1, 100, 10000)},
}  # fmt: skip
SINGLE = {
    "parameters_training": "Parameters training", "parameters_generation": "Parameters generation",
    "precision": "precision", "recall": "recall", "density": "density", "coverage": "coverage",
}  # fmt: skip
SEPARATIONS = {
    "Etot / Einc": "sep E total", "voxel distribution": "sep cell", "E": "sep E layer", "Sparsity": "sep sparsity",
    "EC Eta": "sep EC eta", "EC Phi": "sep EC phi", "EC r": "sep EC r", "Width Eta": "sep EC eta std",
    "Width Phi": "sep EC phi std", "Width r": "sep EC r std",
}  # fmt: skip
ABOUT = {
    "schema": 1,
    "source": "CaloChallenge_results_*.hdf of the CaloChallenge's public repository (homepage, final_results), "
    "the reference data of arXiv 2410.21611",
    "units": "times in ms per shower with their spread over ten runs, hardware not recorded; FPD and KPD times 1000; "
    "AUC and log posterior with their spread over ten trainings; separation powers as mean, smallest, largest over "
    "the layers",
    "protocol": ["2024-05", "2024-07"],
}
NUMBER = re.compile(r"(?<![\w.])(nan|[-+]?\d+\.?\d*(?:e[-+]?\d+)?)(?![\w.])")


def rounded(text: str) -> float | int | None:
    """A number of a cell with five digits, None where there is none."""
    if not text or text == "nan":
        return None
    value = float(text)
    if not math.isfinite(value):
        return None
    short = float(f"{value:.5g}")
    return int(value) if value == int(value) and abs(value) >= 1000 else short


def spread(text: str) -> list[float | None] | None:
    """Mean, smallest and largest of all numbers of a cell, None where one of them is none."""
    found = [float(number) for number in NUMBER.findall(re.sub(r"np\.float64", "", text))]
    if not found or not all(math.isfinite(value) for value in found):
        return None
    return [float(f"{value:.5g}") for value in (sum(found) / len(found), min(found), max(found))]


def row(cells: dict[str, str]) -> dict[str, object]:
    """One submission's facts; what it lacks is left out."""
    found: dict[str, object] = {"id": int(cells["submission id"]), "name": cells["submission name"]}
    for key, name in SINGLE.items():
        found[key] = rounded(cells[name])
    for key, name in PAIRS.items():
        value = rounded(cells.get(name, ""))
        found[key] = None if value is None else [value, rounded(cells[f"{name} std"])]
    found["separation_power"] = {key: spread(cells[name]) for key, name in SEPARATIONS.items() if spread(cells[name])}
    return {key: value for key, value in found.items() if value is not None}


def main() -> None:
    """Write the table."""
    csv.field_size_limit(10**9)
    folder = Path(sys.argv[1])
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in ABOUT.items()]
    for name, (file, showers) in DATA.items():
        with (folder / file).open(encoding="utf-8", newline="") as stream:
            rows = [json.dumps(row(cells), separators=(",", ":")) for cells in csv.DictReader(stream)]
        parts.append(f'"{name}": {{"showers": {showers}, "rows": [\n' + ",\n".join(rows) + "\n]}")
    OUT.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")
    json.loads(OUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
