"""Several results side by side: one table, one page; results that cannot share a table are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caloforge.errors import CaloforgeError
from caloforge.evaluation.page.excess import above_floor
from caloforge.evaluation.page.numbers import mean_power
from caloforge.evaluation.page.reading import headline, kinds, thousandfold
from caloforge.evaluation.page.section import Block, Notes, Section
from caloforge.evaluation.page.sections import numbers_alone
from caloforge.evaluation.page.summary import speed
from caloforge.evaluation.page.tables import MISSING, Cell, Row, Table, measured
from caloforge.evaluation.page.verdict import verdict
from caloforge.evaluation.page.write import write_sections
from caloforge.evaluation.results import Results, entries, load_results, same_table

FLOORS = "Floors are Geant4 against Geant4, of the first result."


@dataclass(frozen=True)
class Line:
    """One number of every model: what it is, a cell for each model and one for the floor, and which model is best."""

    what: str
    cells: tuple[Cell, ...]
    floor: Cell
    best: int | None = None


@dataclass(frozen=True)
class SideBySide:
    """Models by label with their judgements, one table of lines, and the results they come from."""

    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    merged: Results
    notes: tuple[str, ...]

    def table(self) -> Table:
        """The lines as a table; the best of each line is marked."""
        rows: list[Row] = []
        for line in self.lines:
            cells = [
                Cell(cell.text, cell.value, "good") if index == line.best else cell
                for index, cell in enumerate(line.cells)
            ]
            rows.append([line.what, *cells, line.floor])
        return Table("Models side by side, best in green", ["", *self.labels, "floor"], rows)


def compare(paths: Sequence[Path | str]) -> SideBySide:
    """Put the judged sample of each result file beside the others.

    paths: two or more results.json, or folders that hold one; a model is called by its name in the results, or by its
    folder where names repeat. Raises CaloforgeError for fewer than two and where protocol, version, detector,
    particle or numbers of showers differ.
    """
    if len(paths) < 2:
        raise CaloforgeError(f"{len(paths)} result was given, expected at least two; name more results.json files.")
    found = [load_results(path) for path in paths]
    same_table(*found)
    labels = _labels([Path(path) for path in paths], [str(one["name"]) for one in found])
    models = dict(zip(labels, [next(iter(entries(one).values())) for one in found], strict=True))
    times = {}
    for label, one in zip(labels, found, strict=True):
        known = one.get("seconds_per_shower") or {}
        if known.get(one["name"]):
            times[label] = known[one["name"]]
        if known.get("geant4"):
            times.setdefault("geant4", known["geant4"])
    first = found[0]
    merged: Results = {
        **{key: first[key] for key in ("schema", "caloforge", "protocol", "seed", "detector", "showers")},
        "particle": first.get("particle"),
        "name": labels[0],
        **models[labels[0]],
        "others": {label: models[label] for label in labels[1:]},
        "seconds_per_shower": times,
    }
    return SideBySide(labels, tuple(_lines(models, times)), merged, tuple(_notes(labels, found)))


def write_comparison(found: SideBySide, folder: Path | str) -> None:
    """Write comparison.html, comparison.md and figures/*.pdf into a folder."""
    judged = [f"{label}: {one.get('verdict') or verdict(one)}" for label, one in entries(found.merged).items()]
    blocks: list[Block] = [found.table(), Notes([*judged, *found.notes])]
    protocol, detector = found.merged["protocol"], found.merged["detector"]
    sub = f"Detector {detector['name']}; protocol {protocol['name']} (version {protocol['version']})"
    parts = [Section("summary", "Side by side", blocks), *numbers_alone(found.merged)]
    write_sections(" and ".join(found.labels), f"{sub}. {FLOORS}", parts, folder, "comparison")


def _labels(paths: Sequence[Path], names: Sequence[str]) -> tuple[str, ...]:
    """Names where they differ, else those of the folders, else both with a number."""
    folders = [(path if path.is_dir() else path.parent).resolve().name for path in paths]
    stems = [f"{folder}/{path.stem}" for folder, path in zip(folders, paths, strict=True)]
    for choice in (names, folders, stems):
        if len(set(choice)) == len(choice):
            return tuple(choice)
    return tuple(f"{name} {index}" for index, name in enumerate(names, 1))


def _lines(models: Mapping[str, Mapping[str, Any]], times: Mapping[str, float]) -> list[Line]:
    first = next(iter(models.values()))
    lines: list[Line] = []
    kinds_of = dict.fromkeys(kind for one in models.values() for kind in one.get("classifiers") or {})
    for kind in kinds_of:
        each = [(one.get("classifiers") or {}).get(kind) or {} for one in models.values()]
        floor = next(one for one in each if one)
        cells = [measured(one.get("auc"), one.get("auc_error")) for one in each]
        lines.append(_line(f"AUC, {kind}", cells, measured(floor.get("floor"), floor.get("floor_spread"))))
    if all(headline(one) for one in models.values()):
        best = [numbers for _, numbers in (headline(one) or ("", {}) for one in models.values())]
        cells = [measured(one.get("jsd"), one.get("jsd_error")) for one in best]
        lines.append(_line("JSD of the headline", cells, measured(best[0].get("floor_jsd"))))
    for key in ("fpd", "kpd"):
        each = [one.get(key) or {} for one in models.values()]
        if any(each):
            cells = [measured(thousandfold(one.get("value")), thousandfold(one.get("error"))) for one in each]
            floor = next(one for one in each if one)
            base = measured(thousandfold(floor.get("floor")), thousandfold(floor.get("floor_error")))
            lines.append(_line(f"{key.upper()} · 1000", cells, base))
    for key in ("precision", "recall", "density", "coverage"):
        each = [one.get("prdc") or {} for one in models.values()]
        if any(each):
            floors = next(one for one in each if one).get("floor") or {}
            lines.append(_line(key, [measured(one.get(key)) for one in each], measured(floors.get(key)), ranked=False))
    powers = [one.get("separation_power") or {} for one in models.values()]
    for kind, members in kinds(list(powers[0])).items():
        cells = [mean_power([one[name] for name in members if name in one], "value") for one in powers]
        lines.append(
            _line(f"separation power, {kind}", cells, mean_power([powers[0][name] for name in members], "floor"))
        )
    if any(powers):
        lines.append(_line("histograms above their floor", [_above(one) for one in powers], Cell("0", 0.0)))
    if any(one.get("correlations") for one in models.values()):
        cells = [measured((one.get("correlations") or {}).get("largest_difference")) for one in models.values()]
        base = measured((first.get("correlations") or {}).get("floor_largest"))
        lines.append(_line("largest difference of a correlation", cells, base))
    if any(one.get("memorisation") for one in models.values()):
        said = [(one.get("memorisation") or {}).get("found") for one in models.values()]
        words = {None: "–", True: "found", False: "none"}
        lines.append(_line("copies of the training set", [Cell(words[one]) for one in said], Cell("–"), ranked=False))
    if any(label in times for label in models):
        cells = [measured(thousandfold(times.get(label))) for label in models]
        lines.append(_line("ms per shower", cells, Cell("–")))
        if times.get("geant4"):
            ratios = [times["geant4"] / times[label] if label in times else None for label in models]
            cells = [Cell("–") if ratio is None else Cell(speed(ratio), ratio) for ratio in ratios]
            lines.append(_line("times Geant4's speed", cells, Cell("–"), ranked=False))
    return lines


def _line(what: str, cells: Sequence[Cell], floor: Cell, ranked: bool = True) -> Line:
    """A line whose smallest value is best, or none where it is not ranked or values are missing."""
    values = [cell.value for cell in cells]
    best = None
    if ranked and all(value is not None and value > float("-inf") for value in values):
        order = sorted(range(len(values)), key=lambda index: float(values[index] or 0.0))
        best = order[0] if values[order[0]] != values[order[1]] else None
    return Line(what, tuple(cells), floor, best)


def _above(powers: Mapping[str, Any]) -> Cell:
    far, known = above_floor(powers.values())
    return Cell(f"{far} of {known}", far / known) if known else MISSING


def _notes(labels: Sequence[str], found: Sequence[Results]) -> list[str]:
    notes = []
    machines = {str(one["hardware"]) if one.get("hardware") else "hardware not recorded" for one in found}
    if len(machines) > 1:
        notes.append(f"Times were measured on different machines ({', '.join(sorted(machines))}).")
    seeds = {one["seed"] for one in found}
    if len(seeds) > 1:
        notes.append(f"Seeds differ ({', '.join(str(seed) for seed in sorted(seeds))}).")
    for label, one in zip(labels, found, strict=True):
        notes += [f"{label}: {note}" for note in one.get("notes") or []]
    return notes
