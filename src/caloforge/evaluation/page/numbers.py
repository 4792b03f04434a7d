"""The sections that are tables of numbers: classifiers, separation powers, distances, copies, times, method."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from caloforge.evaluation.page.excess import SURE, above_floor, excess
from caloforge.evaluation.page.reading import (
    HEADLINE,
    Results,
    auc_significance,
    energy_range,
    judged,
    kinds,
    quantity,
    significance,
)
from caloforge.evaluation.page.section import Block, Folded, Section
from caloforge.evaluation.page.summary import speed
from caloforge.evaluation.page.tables import MISSING, Cell, Row, Table, digits, measured

SAID = "0.5: cannot be told from Geant4; 1: always can. The floor is Geant4 against Geant4 at equal numbers."


def classifiers(results: Results) -> list[Block]:
    """AUC and JSD of every classifier and sample beside the floor."""
    everyone = {name: one["classifiers"] for name, one in judged(results).items() if one.get("classifiers")}
    if not everyone:
        return []
    names = list(dict.fromkeys(kind for found in everyone.values() for kind in found))
    rows: list[Row] = []
    for kind in names:
        first = next(found[kind] for found in everyone.values() if kind in found)
        cells = [_auc(found.get(kind)) for found in everyone.values()]
        rows.append([kind, *cells, measured(first.get("floor"), first.get("floor_spread")), _count(first)])
    strong = names.index(HEADLINE) if HEADLINE in names else None
    blocks: list[Block] = [
        SAID,
        Table("AUC of every classifier", ["classifier", *everyone, "floor", "showers"], rows, strong),
    ]
    rows = []
    for kind in names:
        first = next(found[kind] for found in everyone.values() if kind in found)
        if first.get("jsd") is not None:
            cells = [
                measured(one.get("jsd"), one.get("jsd_error")) for one in (f.get(kind, {}) for f in everyone.values())
            ]
            rows.append([kind, *cells, measured(first.get("floor_jsd"))])
    if rows:
        blocks.append(Table("Jensen-Shannon divergence, calibrated", ["classifier", *everyone, "floor"], rows))
    return blocks


def weight_tables(results: Results) -> list[Block]:
    """Quantiles of the classifier's weights, and where a model puts too much and too little."""
    everyone = {name: one["weights"] for name, one in judged(results).items() if one.get("weights")}
    blocks: list[Block] = []
    known = {name: one["quantiles"] for name, one in everyone.items() if isinstance(one.get("quantiles"), Mapping)}
    keys = list(dict.fromkeys(key for one in known.values() for key in one))
    if keys:
        rows: list[Row] = [[str(key), *(_any(one.get(key)) for one in known.values())] for key in keys]
        blocks.append(Table("Quantiles of the weights p / (1 - p)", ["quantile", *known], rows))
    tables = [_too_much(name, one) for name, one in everyone.items()]
    return [*blocks, *(one if index == 0 else Folded(one.caption, [one]) for index, one in enumerate(tables) if one)]


def _too_much(name: str, found: Results) -> Table | None:
    """Ranges of observables in which a model puts too much (mean weight below 1) and too little."""
    rows: list[Row] = []
    for key, said in (("too_much", "too much"), ("too_little", "too little")):
        for item in found.get(key) or []:
            weight = measured(item["mean_weight"], item.get("error"), 3)
            ends = [_any(item.get(end)) for end in ("low", "high")]
            rows.append([str(item["observable"]), said, *ends, _count(item), weight])
    head = ["observable", "the model puts", "from", "to", "showers", "mean weight"]
    return Table(f"Where {name} puts too much and too little", head, rows) if rows else None


def separations(results: Results) -> list[Block]:
    """Separation powers by kind of observable, and every one of them folded away."""
    everyone = {name: one["separation_power"] for name, one in judged(results).items() if one.get("separation_power")}
    if not everyone:
        return []
    first = next(iter(everyone.values()))
    rows: list[Row] = []
    for kind, members in kinds(list(first)).items():
        cells = [mean_power([found[m] for m in members if m in found], "value", True) for found in everyone.values()]
        far, known = above_floor(first[m] for m in members)
        above = Cell(f"{far} of {known}", far / max(known, 1))
        rows.append(
            [
                kind,
                Cell(str(len(members)), len(members)),
                *cells,
                mean_power([first[m] for m in members], "floor"),
                above,
            ]
        )
    head = ["observable", "histograms", *everyone, "floor", "above floor"]
    said = (
        "0: equal histograms, 1: no overlap; mean over the histograms of a kind, the largest in brackets. Above floor: "
        "by more than 3 standard errors, for the first sample."
    )
    full: list[Row] = []
    for name, one in first.items():
        values = [f.get(name, {}) for f in everyone.values()]
        cells = [measured(value.get("value"), value.get("error"), 5) for value in values]
        sigma = excess(one) if one.get("floor") is not None else math.nan
        look = "" if not sigma > SURE else "fair" if sigma < 10 else "bad"
        full.append(
            [
                name, *cells, measured(one.get("floor"), one.get("floor_spread"), 5), measured(sigma, None, 1, look),
                digits(one.get("chi2_ndf")), digits(one.get("wasserstein")), _pair(one.get("underflow")),
                _pair(one.get("overflow")), one.get("note") or "",
            ]
        )  # fmt: skip
    columns = [
        "histogram", *everyone, "floor", "above floor / error", "chi2/NDF", "Wasserstein-1", "below: Geant4, model",
        "above: Geant4, model", "note",
    ]  # fmt: skip
    return [
        said,
        Table("Separation powers by observable", head, rows),
        Folded(f"All {len(full)} histograms", [Table("Separation power of every histogram", columns, full)]),
    ]


def distances(results: Results) -> Section | None:
    """FPD, KPD, precision, recall, density, coverage, and the log posterior."""
    everyone = judged(results)
    rows: list[Row] = []
    for key in ("fpd", "kpd"):
        found = {name: one[key] for name, one in everyone.items() if one.get(key)}
        if found:
            first = next(iter(found.values()))
            cells = [_thousands(found.get(name), "value", "error") for name in everyone]
            note = _joined("" if first.get("comparable", True) else "not comparable below 50,000 showers", first)
            rows.append(
                [f"{key.upper()} · 1000", *cells, _thousands(first, "floor", "floor_error"), _count(first), note]
            )
    for key in ("precision", "recall", "density", "coverage"):
        found = {name: one["prdc"] for name, one in everyone.items() if one.get("prdc")}
        if found:
            first = next(iter(found.values()))
            cells = [measured(found.get(name, {}).get(key)) for name in everyone]
            rows.append(
                [
                    key,
                    *cells,
                    measured((first.get("floor") or {}).get(key)),
                    _count(first),
                    _joined(f"k = {first.get('k', 5)}", first),
                ]
            )
    blocks: list[Block] = []
    if rows:
        blocks.append(Table("Distances between the distributions", ["", *everyone, "floor", "showers", "note"], rows))
    many = results.get("multiclass")
    if many and isinstance(many.get("log_posterior"), Mapping):
        rows = [
            [str(name), measured(value["value"], value["error"]) if isinstance(value, Mapping) else _any(value)]
            for name, value in many["log_posterior"].items()
        ]
        blocks.append(
            Table("Multi-class log posterior (larger is closer to Geant4)", ["sample", "log posterior"], rows)
        )
    return Section("distances", "Distances", blocks) if blocks else None


def memory(results: Results) -> list[Block]:
    """The verdict on copies of training showers."""
    rows: list[Row] = []
    for name, one in judged(results).items():
        found = one.get("memorisation")
        if found:
            said = Cell("repeats training showers", 1.0, "bad") if found["found"] else Cell("no copies", 0.0, "good")
            rows.append([name, measured(100 * found["close"], None, 1), measured(found["median_ratio"], None, 2), said])
    if not rows:
        return []
    head = ["sample", "closer than 99 % of unseen Geant4 [%]", "median distance / Geant4's", "verdict"]
    return ["1 % is expected of a generator that does not copy.", Table("Copies of training showers", head, rows)]


def times(results: Results) -> Section | None:
    """Time per shower."""
    found = results.get("seconds_per_shower") or {}
    if not found:
        return None
    base = found.get("geant4")
    rows: list[Row] = [
        [name, Cell(f"{1e3 * value:.4g}", value), Cell(speed(base / value), base / value) if base and value else "–"]
        for name, value in found.items()
        if value is not None
    ]
    machine = results.get("hardware")
    said = f"Hardware: {machine}." if machine else "The hardware is not recorded."
    return Section(
        "time", "Time", [said, Table("Time per shower", ["", "ms per shower", "times Geant4's speed"], rows)]
    )


def physics_table(bins: list[Results], names: list[str], label: str) -> Table:
    """Every quantity with one value in each bin of energy: Geant4's, the sample's, and how many errors lie between."""
    rows: list[Row] = []
    for one in bins:
        where = energy_range(float(one["low_mev"]), float(one["high_mev"]))
        for name in names:
            pair = one.get(name) or {}
            (v, e), (w, f) = (pair.get(side) or (None, None) for side in ("reference", "generated"))
            if v is None or w is None:
                continue
            sigma = abs(significance(w, f, v, e)) if w >= v else abs(significance(v, e, w, f))
            look = "" if sigma < 3 else "fair" if sigma < 10 else "bad"
            apart = measured(sigma if math.isfinite(sigma) else None, None, 1, look)
            ratio = measured(w / v if v else None, None, 4)
            bin_ = Cell(where, float(one["low_mev"]))
            rows.append([bin_, quantity(name), _error(v, e), _error(w, f), ratio, apart])
    head = ["incident energy", "quantity", "Geant4", label, "ratio", "standard errors apart"]
    return Table(f"Physics by incident energy, {label}", head, rows)


def method(results: Results) -> Section:
    """The protocol and what it cost, so that the numbers can be had again."""
    protocol = results.get("protocol") or {}
    rows: list[Row] = [["caloforge", str(results.get("caloforge", ""))], ["seed", str(results.get("seed", ""))]]
    rows += [[f"protocol: {key.replace('_', ' ')}", _short(value)] for key, value in protocol.items()]
    rows += [[f"showers: {key}", f"{value:,}"] for key, value in (results.get("showers") or {}).items()]
    rows += [[f"detector: {key}", str(value)] for key, value in (results.get("detector") or {}).items()]
    blocks: list[Block] = [Table("How these numbers were made", ["", "value"], rows)]
    spent = results.get("seconds")
    if isinstance(spent, Mapping):
        table: list[Row] = [[str(key), measured(value, None, 1)] for key, value in spent.items()]
        blocks.append(Folded("Seconds of each stage", [Table("Seconds of each stage", ["stage", "seconds"], table)]))
    return Section("method", "Method", blocks)


def _joined(note: str, one: Results) -> str:
    """A remark, and that the floor comes from another number of showers where it does."""
    n, floor_n = one.get("n"), one.get("floor_n")
    said = f"floor of {floor_n:,} showers" if floor_n and n and floor_n != n else ""
    return "; ".join(part for part in (note, said) if part)


def _auc(one: Results | None) -> Cell:
    if one is None:
        return MISSING
    sigma = auc_significance(one)
    look = "good" if sigma < 2 else "bad" if one["auc"] > 0.8 else "fair"
    return measured(one["auc"], one.get("auc_error"), 3, look)


def _count(one: Results) -> Cell:
    return Cell(f"{one['n']:,}", one["n"]) if one.get("n") else MISSING


def mean_power(found: list[Results], key: str, with_largest: bool = False) -> Cell:
    """Mean of a key over separation powers, the largest in brackets where asked for."""
    values = [float(one[key]) for one in found if one.get(key) is not None]
    if not values:
        return MISSING
    text = f"{np.mean(values):.4f}"
    if with_largest and len(values) > 1:
        text += f" ({max(values):.4f})"
    return Cell(text, float(np.mean(values)))


def _pair(found: Any) -> Cell:
    if not isinstance(found, (list, tuple)) or len(found) != 2 or None in found:
        return MISSING
    whole = all(isinstance(value, int) for value in found)
    text = ", ".join(f"{value:,}" if whole else f"{100 * value:.2g} %" for value in found)
    return Cell(text, float(found[1]))


def _thousands(one: Results | None, key: str, error: str) -> Cell:
    if not one or one.get(key) is None:
        return MISSING
    spread = one.get(error)
    return Cell(f"{1e3 * one[key]:.4g}" + (f" ± {1e3 * spread:.2g}" if spread is not None else ""), float(one[key]))


def _error(value: float, error: float | None) -> Cell:
    if not error:
        return Cell(f"{value:.5g}", value)
    places = min(max(1 - math.floor(math.log10(abs(error))), 0), 12)
    return Cell(f"{value:.{places}f} ± {error:.{places}f}", value)


def _any(value: Any) -> Cell:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return Cell("–" if value is None else str(value))
    if isinstance(value, (int, float)):
        return Cell(
            f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}",
            float(value),
        )
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(x, (int, float)) for x in value):
        return Cell(f"{value[0]:.4g} ± {value[1]:.2g}", float(value[0]))
    return Cell(_short(value))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) < 160 else text[:157] + "..."
