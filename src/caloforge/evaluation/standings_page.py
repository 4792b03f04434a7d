"""The standings as a table and as figures: AUC against time on CPU and GPU with the Pareto front of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from caloforge.evaluation.page.axes import Axes
from caloforge.evaluation.page.drawing import Anchor, Drawing
from caloforge.evaluation.page.figure import Figure
from caloforge.evaluation.page.fonts import text_width
from caloforge.evaluation.page.raster import png_file, svg_file
from caloforge.evaluation.page.section import Block, Notes, Section
from caloforge.evaluation.page.tables import Cell, Row, Table, digits, measured
from caloforge.evaluation.page.write import write_sections
from caloforge.evaluation.standings import POWERS, Batch, Device, Entry, Standing, pareto_front

AUCS = (("auc_low", "AUC low", 3), ("auc_high", "AUC high", 3), ("auc_resnet", "AUC ResNet", 3))
DISTANCES = (("fpd", "FPD·1000", 1), ("kpd", "KPD·1000", 2), ("log_posterior", "log posterior", 2))
KEYS = tuple(key for key, *_ in (*AUCS, *DISTANCES))
TIMES: tuple[tuple[Device, Batch, str], ...] = (("CPU", "1", "CPU [ms]"), ("GPU", "best", "GPU [ms]"))


def table(found: Standing, key: str = "auc_high", brief: bool = False) -> Table:
    """Every model with its numbers, best first by one of them, the floor on top; remarks are numbered by `remarks`.

    brief: without KPD, log posterior, separation powers and parameters, for a terminal.
    """
    aucs, rest = (
        [one for one in columns if any(one[0] in entry.numbers for entry in found.entries)]
        for columns in (AUCS, DISTANCES[:1] if brief else DISTANCES)
    )
    marks = {text: str(index) for index, text in enumerate(remarks(found), 1)}
    fronts = {device: {one.name for one in pareto_front(found.entries, device, batch)} for device, batch, _ in TIMES}
    rows: list[Row] = []
    for one in (found.floor, *found.ordered(key)):
        front = ", ".join(device for device, names in fronts.items() if one.name in names and not one.ours)
        name = "Geant4 (floor)" if one is found.floor else f"{one.name} (ours)" if one.ours else one.name
        said = ", ".join(marks[text] for text in one.remarks)
        row: list[Cell | str] = [Cell(name, None, "ours" if one.ours else ""), *_measured(one, aucs)]
        row += [*_times(one), front, said]
        row += _measured(one, rest)
        if not brief:
            row += [digits(None if kind not in one.powers else 1e3 * one.powers[kind]) for kind in POWERS]
            row.append(Cell("–", math.inf) if one.parameters is None else Cell(f"{one.parameters:,}", one.parameters))
        rows.append(row)
    head = ["model", *(label for _, label, _ in aucs), *(label for *_, label in TIMES), "front", "remarks"]
    head += [label for _, label, _ in rest]
    if not brief:
        head += [*(f"S·1000, {kind}" for kind in POWERS), "parameters"]
    caption = f"Standings of {found.detector}; CPU: one shower at a time, GPU: the fastest batch"
    return Table(caption, head, rows, 0)


def remarks(found: Standing) -> list[str]:
    """All remarks of our rows, each once."""
    return list(dict.fromkeys(text for one in found.entries for text in one.remarks))


def pareto(found: Standing, device: Device, batch: Batch) -> Drawing:
    """AUC of the high-level classifier against time per shower: all models, and the front as a line of steps."""
    front = pareto_front(found.entries, device, batch)
    points = [
        (time, one.numbers["auc_high"][0], one)
        for one in found.entries
        if "auc_high" in one.numbers and (time := one.time(device, batch)) is not None
    ]
    where = "one shower at a time" if batch == "1" else "best batch" if batch == "best" else f"batches of {batch}"
    sheet = Drawing(
        620, 400, f"AUC against time per shower on {device}, {where}, {len(points)} models of {found.detector}"
    )
    sheet.text(50, 14, f"{found.detector}, {device}, {where}", 12, "start", "ink", bold=True)
    times = [time for time, *_ in points] or [1.0]
    axes = Axes(sheet, 50, 26, 555, 330, (min(times) / 2.5, max(times) * 4), (0.48, 1.02), x_log=True)
    floor = found.floor.numbers.get("auc_high")
    if floor:
        axes.level(floor[0], "floor", (3, 2))
        sheet.text(603, float(axes.y(floor[0])) + 11, f"floor {floor[0]:.3f}: Geant4 against Geant4", 8, "end")
    axes.frame("ms per shower", "AUC, high-level", y_count=6, x_count=8)
    if front:
        corners: list[tuple[float, float]] = []
        for one in front:
            x, y = one.time(device, batch) or 0.0, one.numbers["auc_high"][0]
            corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, 1.02), (x, y)]
        corners.append((axes.x_limits[1], corners[-1][1]))
        sheet.line(axes.points([x for x, _ in corners], [y for _, y in corners]), "m1", 1.6)
    taken: list[tuple[float, float, float, float]] = []
    order = sorted(points, key=lambda item: (not item[2].ours, item[2] not in front))
    for time, auc, one in order:
        x, y = float(axes.x(time)), float(axes.y(auc))
        colour = "m0" if one.ours else "m1" if one in front else "geant4"
        sheet.dot(x, y, 5.0 if one.ours else 4.0 if one in front else 3.0, colour)
        if one.ours:
            sheet.dot(x, y, 2.6, "page")
        taken.append((x - 5, y - 5, x + 5, y + 5))
    for time, auc, one in order:
        x, y = float(axes.x(time)), float(axes.y(auc))
        strong = one.ours or one in front
        _label(sheet, taken, x, y, f"{one.name} (ours)" if one.ours else one.name, strong)
    return sheet


def figure(found: Standing) -> Figure:
    """The two Pareto fronts."""
    said = (
        "Blue: models that no other beats in both time and AUC; grey: the rest. The hardware of the official times "
        "is not recorded. Red rings: ours, on other hardware and so no part of the front."
    )
    drawn = [pareto(found, device, batch) for device, batch, _ in TIMES]
    return Figure(f"pareto-{found.detector}", f"Pareto fronts of {found.detector}", said, drawn)


def write_standings(standings: list[Standing], folder: Path | str, key: str = "auc_high") -> None:
    """Write standings.html, standings.md and the Pareto fronts as PDF, SVG and PNG into a folder."""
    parts: list[Section] = []
    drawn: list[Figure] = []
    for found in standings:
        numbered = [f"Remark {index}: {text}." for index, text in enumerate(remarks(found), 1)]
        drawn.append(figure(found))
        blocks: list[Block] = [table(found, key), *([Notes(numbered)] if numbered else []), drawn[-1]]
        parts.append(Section(found.detector, found.detector, blocks))
    sub = f"Official rows: {standings[0].source}. Units: {standings[0].units}."
    write_sections("Standings of the CaloChallenge", sub, parts, folder, "standings", _files(drawn))


def _files(figures: Sequence[Figure]) -> Iterator[tuple[str, bytes]]:
    """Every drawing as SVG and PNG, by its path within the folder."""
    for one in figures:
        for drawing, (device, *_) in zip(one.drawings, TIMES, strict=True):
            name = f"figures/{one.key}-{device.lower()}"
            yield f"{name}.svg", svg_file(drawing).encode()
            yield f"{name}.png", png_file(drawing)


def _measured(one: Entry, columns: list[tuple[str, str, int]]) -> list[Cell]:
    found = []
    for key, _, places in columns:
        value, error = one.numbers.get(key, (None, None))
        found.append(measured(value, error, places))
    return found


def _times(one: Entry) -> list[Cell]:
    found = [one.time(device, batch) for device, batch, _ in TIMES]
    return [Cell("–", math.inf) if time is None else Cell(_milliseconds(time), time) for time in found]


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _label(
    sheet: Drawing, taken: list[tuple[float, float, float, float]], x: float, y: float, text: str, strong: bool
) -> None:
    """Write a name beside its point where it covers no other; a weak one is left out where there is no room."""
    size = 9.0 if strong else 7.5
    width = text_width(text, size) * 1.08
    below: list[tuple[float, float, Anchor]] = [(x - 6, y + 12, "end"), (x + 6, y + 13, "start")]
    places: list[tuple[float, float, Anchor]] = [
        *(below if strong else []), (x + 7, y + 3, "start"), (x - 7, y + 3, "end"), (x, y - 7, "middle"),
        (x, y + 14, "middle"),
        (x + 7, y - 6, "start"), (x + 7, y + 12, "start"), (x - 7, y - 6, "end"), (x - 7, y + 12, "end"),
    ]  # fmt: skip
    for left, base, anchor in places:
        start = left - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        box = (start, base - size, start + width, base + 2)
        inside = box[0] > 52 and box[2] < sheet.width - 4 and box[1] > 18
        if inside and not any(_meet(box, other) for other in taken):
            break
    else:
        if not strong:
            return
        left, base, anchor = places[0]
        box = (left, base - size, left + width, base + 2)
    taken.append(box)
    sheet.text(left, base, text, size, anchor, "ink" if strong else "muted", bold=strong)


def _meet(one: tuple[float, float, float, float], two: tuple[float, float, float, float]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
