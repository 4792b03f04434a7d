"""One self-contained HTML page: tables first, then figures, everything embedded."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from caloforge.evaluation.judgement import Judgement
from caloforge.evaluation.panel import HEADLINE
from caloforge.evaluation.separations import kind_of
from caloforge.files import write_text

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2rem auto;padding:0 1rem;color:#1c2430}
h1{margin-bottom:.2rem}h2{margin-top:2.2rem;border-bottom:1px solid #d8dde4}p.sub{color:#5a6675;margin-top:0}
table{border-collapse:collapse;margin:.8rem 0}
th,td{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #e6e9ee}
th:first-child,td:first-child{text-align:left}thead th{background:#f3f5f8}tr.headline td{font-weight:600}
img{max-width:100%;height:auto;display:block;margin:.5rem 0}.warn{color:#a3202f}li{margin:.15rem 0}
"""


def _table(head: list[str], rows: list[list[str]], bold: int | None = None) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr{' class=headline' if index == bold else ''}>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for index, row in enumerate(rows)
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _pm(value: float, error: float | None) -> str:
    return f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"


def _classifiers(results: dict[str, Any]) -> str:
    samples, floor = results["samples"], results["floor"]["classifiers"]
    kinds = list(next(iter(samples.values()))["classifiers"])
    rows = []
    for kind in kinds:
        pair = floor["auc"].get(kind)
        cells = [_pm(s["classifiers"][kind]["auc"], s["classifiers"][kind]["auc_error"]) for s in samples.values()]
        floor_cell = _pm(pair["mean"], pair["spread"]) if pair else "-"
        rows.append([f"AUC, {escape(kind)}{' (largest)' if kind == HEADLINE else ''}", *cells, floor_cell])
    cells = [_pm(s["classifiers"][HEADLINE]["jsd"], s["classifiers"][HEADLINE]["jsd_error"]) for s in samples.values()]
    rows.append(["JSD of the headline", *cells, "0"])
    sizes = sorted({int(n) for s in samples.values() for n in s["auc_against_n"]})
    against = ""
    if len(sizes) > 1:
        chosen = {name: s for name, s in samples.items() if len(s["auc_against_n"]) > 1}
        against = "<p>Headline AUC against the number of showers per class (more showers tell more):</p>" + _table(
            ["sample", *(f"n = {n}" for n in sizes)],
            [[escape(name), *(_pm(*s["auc_against_n"][str(n)]) for n in sizes)] for name, s in chosen.items()],
        )
    equal = [name for name, s in samples.items() if s["indistinguishable"]]
    said = f"<p>Indistinguishable from Geant4 at this n: {escape(', '.join(equal))}.</p>" if equal else ""
    return (
        f"<h2>Classifiers</h2><p>{results['showers_per_class']} showers per class, {results['protocol']['folds']}-fold "
        f"cross-validation, {results['protocol']['seeds']} seed(s). 0.5: cannot be told from Geant4; 1: always can. "
        f"The floor is Geant4 against Geant4 at n = {floor['n']} ({floor['source']}; ± is the spread of one "
        "measurement).</p>"
        + _table(["", *(escape(name) for name in samples), "floor"], rows, kinds.index(HEADLINE)) + said + against
    )  # fmt: skip


def _separations(results: dict[str, Any]) -> str:
    samples, floor = results["samples"], results["floor"].get("separation", {})
    names = list(next(iter(samples.values()))["separation"])
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(kind_of(name) + (" at one energy" if " at E = " in name else ""), []).append(name)

    def cell(values: list[float]) -> str:
        text = f"{np.mean(values):.4f}"
        return text if len(values) == 1 else f"{text} ({max(values):.4f})"

    rows = []
    for kind, members in kinds.items():
        cells = [cell([s["separation"][name]["value"] for name in members]) for s in samples.values()]
        base = cell([floor[name]["mean"] for name in members]) if all(name in floor for name in members) else "-"
        rows.append([escape(kind if len(members) == 1 else f"{kind}, {len(members)} histograms"), *cells, base])
    full = [
        [
            escape(name),
            *(f"{s['separation'][name]['value']:.5f}" for s in samples.values()),
            f"{floor[name]['mean']:.5f}" if name in floor else "-",
        ]
        for name in names
    ]
    head = ["observable", *samples, "floor"]
    return (
        f"<h2>Separation powers</h2><p>{results['showers_per_separation']} showers each; 0: equal histograms, 1: no "
        "overlap. Where an observable has several histograms: the mean, in brackets the largest. Floor: the same "
        "number of Geant4 showers against Geant4.</p>" + _table(head, rows)
        + f"<details><summary>every histogram</summary>{_table(head, full)}</details>"
    )  # fmt: skip


def _memory(results: dict[str, Any]) -> str:
    rows = []
    for name, sample in results["samples"].items():
        found = sample.get("memorisation")
        if found:
            verdict = '<span class="warn">repeats training showers</span>' if found["found"] else "no copies"
            rows.append([escape(name), f"{100 * found['close']:.1f} %", f"{found['median_ratio']:.2f}", verdict])
    if not rows:
        return ""
    head = ["sample", "closer than 99 % of unseen Geant4", "median distance / Geant4's", "verdict"]
    said = "<p>1 % is expected of a generator that does not copy.</p>"
    return f"<h2>Memory of the training set</h2>{said}{_table(head, rows)}"


def _times(results: dict[str, Any]) -> str:
    times = results["seconds_per_shower"]
    if not times:
        return "<h2>Time</h2><p>Neither file says how long a shower took (attribute seconds_per_shower).</p>"
    base = times.get("geant4")
    rows = [
        [escape(name), f"{1e3 * value:.4g} ms", f"{base / value:.3g} x" if base and value else "-"]
        for name, value in times.items()
    ]
    return "<h2>Time</h2>" + _table(["", "per shower", "faster than Geant4"], rows)


def write_report(judgement: Judgement, path: Path) -> None:
    """Write the report of a judgement, one file that needs no other."""
    from caloforge.evaluation.plots import all_figures

    results = judgement.results
    quick = " A quick look: too few showers for a verdict." if results["protocol"]["quick"] else ""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>caloforge report</title>",
        f"<style>{STYLE}</style><h1>Generated showers against Geant4</h1>",
        f"<p class=sub>Detector {escape(results['detector']['name'])}, protocol {escape(results['protocol']['name'])} "
        f"(version {results['protocol']['version']}), seed {results['seed']}, caloforge {results['caloforge']}.{quick} "
        f"Showers: {escape(', '.join(f'{name} {n}' for name, n in results['showers'].items()))}; "
        f"training {results['training_showers']}.</p>",
    ]
    if results["notes"]:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in results["notes"]) + "</ul>")
    if judgement.verdicts:
        parts.append(_classifiers(results))
    parts += [_separations(results), _memory(results), _times(results)]
    for title, image in all_figures(judgement):
        data = base64.b64encode(image).decode()
        parts.append(f'<h2>{escape(title)}</h2><img alt="{escape(title)}" src="data:image/png;base64,{data}">')
    write_text(path, "\n".join(parts) + "\n</html>\n")
