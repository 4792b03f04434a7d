"""The sections of the page in their order; what the results and arrays lack is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caloforge.evaluation.arrays import NAMES, REFERENCE, Arrays
from caloforge.evaluation.page import average, energies, histograms, numbers, spectra
from caloforge.evaluation.page.excess import excess
from caloforge.evaluation.page.figure import Figure
from caloforge.evaluation.page.matrices import correlations
from caloforge.evaluation.page.palette import model
from caloforge.evaluation.page.profiles import profiles
from caloforge.evaluation.page.reading import ONE_ENERGY, Results, judged, kinds
from caloforge.evaluation.page.section import Block, Folded, Section, View
from caloforge.evaluation.page.showers3d import packed
from caloforge.evaluation.page.summary import summary

WORST = 8


def sections(results: Results, arrays: Arrays) -> list[Section]:
    """All sections that there is something to show for."""
    names = list(dict.fromkeys([*judged(results), *arrays.others, *arrays.comparisons]))
    colours = {name: model(index) for index, name in enumerate(names)}
    found = [
        summary(results),
        _showers(arrays),
        _classifiers(results, arrays, colours),
        _separations(results),
        _histograms(results, arrays, colours),
        _physics(results, colours),
        _averages(arrays),
        _correlations(results, arrays),
        numbers.distances(results),
        _memory(results, arrays, colours),
        numbers.times(results),
        numbers.method(results),
    ]
    return [section for section in found if section is not None and section.blocks]


def numbers_alone(results: Results) -> list[Section]:
    """The sections that need no more than results."""
    colours = {name: model(index) for index, name in enumerate(judged(results))}
    found = [
        _classifiers(results, None, colours),
        _separations(results),
        _physics(results, colours),
        numbers.distances(results),
        _memory(results, None, colours),
        numbers.times(results),
    ]
    return [section for section in found if section is not None and section.blocks]


def _legend(names: list[str], colours: Mapping[str, str], floor: bool = False) -> list[tuple[str, str]]:
    legend = [("geant4", "Geant4"), *((colours[name], name) for name in names)]
    return [*legend, ("floor", "floor: Geant4 against Geant4 (dashed)")] if floor else legend


def _showers(arrays: Arrays) -> Section | None:
    if not arrays.examples:
        return None
    said = (
        "Single showers, turned together: drag, or use the arrow keys; + and - zoom, Home goes back. Every voxel with "
        "energy is drawn in its place, the brightest on top."
    )
    return Section("showers", "Showers", [said, View(packed(arrays.examples))])


def _classifiers(results: Results, arrays: Arrays | None, colours: Mapping[str, str]) -> Section | None:
    blocks: list[Block] = list(numbers.classifiers(results))
    everyone = judged(results)
    by_bin = {name: one["auc_by_energy"] for name, one in everyone.items() if one.get("auc_by_energy")}
    growth = {name: one["auc_against_n"] for name, one in everyone.items() if len(one.get("auc_against_n") or {}) > 1}
    sheets = []
    if by_bin:
        sheets.append(energies.auc_by_energy(by_bin, colours))
    if growth:
        sheets.append(energies.auc_against_n(growth, colours))
    if sheets:
        names = list(dict.fromkeys([*by_bin, *growth]))
        legend = [(colours[name], name) for name in names]
        caption = "AUC of the headline classifier: where showers are told apart, and how that grows with their number."
        blocks.append(Figure("auc", "AUC by energy and number", caption, sheets, legend))
    drawn = [
        spectra.weights(name, colours.get(name, "m0"), *pair)
        for name, pair in (arrays.weights if arrays else {}).items()
    ]
    if drawn:
        caption = (
            "Weights of the classifier for Geant4's showers (grey) and the sample's (line). Left of 1 the model puts "
            "too much, right of 1 too little; a perfect model has a spike at 1."
        )
        blocks.append(Figure("weights", "Weights", caption, drawn))
    blocks += numbers.weight_tables(results)
    return Section("classifiers", "Classifiers", blocks) if blocks else None


def _separations(results: Results) -> Section | None:
    blocks: list[Block] = list(numbers.separations(results))
    everyone = {name: one for name, one in judged(results).items() if one.get("separation_power")}
    if not everyone:
        return None
    first = next(iter(everyone.values()))["separation_power"]
    full = {name: one for name, one in everyone.items() if set(first) <= set(one["separation_power"])}
    drawn = [
        histograms.by_layer(kind, members, full)
        for kind, members in kinds(list(first)).items()
        if len(members) > 1 and " layer " in members[0]
    ]
    if drawn:
        legend = [(model(index), name) for index, name in enumerate(full)]
        legend.append(("floor", "floor: Geant4 against Geant4 (dashed, with its spread)"))
        caption = "Separation power of every layer; what lies on the dashed floor cannot be told from Geant4 there."
        blocks.insert(2, Figure("separations", "Separation powers by layer", caption, drawn, legend))
    return Section("separations", "Separation powers", blocks)


def _histograms(results: Results, arrays: Arrays, colours: Mapping[str, str]) -> Section | None:
    if not arrays.comparisons:
        return None
    first = next(iter(arrays.comparisons.values()))
    powers = judged(results)[next(iter(judged(results)))].get("separation_power") or {}

    def drawn(name: str) -> Any:
        found = [(n, colours[n], c[name]) for n, c in arrays.comparisons.items() if name in c]
        return histograms.histogram(name, found, (arrays.floor_comparisons or {}).get(name), powers.get(name))

    sheets = {name: drawn(name) for name in first}
    legend = _legend(list(arrays.comparisons), colours, bool(arrays.floor_comparisons))
    caption = "Grey: Geant4; below, the ratio to Geant4 with its statistical band."
    groups = kinds(list(first))
    blocks: list[Block] = []
    ranked = sorted((name for name in powers if name in first), key=lambda name: -_rank(powers[name]))
    if len(first) > WORST and ranked:
        said = f"The {WORST} histograms that differ most from Geant4. {caption}"
        blocks.append(Figure("histograms-worst", "Most different", said, [sheets[n] for n in ranked[:WORST]], legend))
    single = [members[0] for members in groups.values() if len(members) == 1]
    if single:
        said = f"Observables of the whole shower. {caption}"
        blocks.append(Figure("histograms-whole", "Whole shower", said, [sheets[n] for n in single], legend))
    for kind, members in groups.items():
        if len(members) > 1:
            key = "histograms-" + "".join(c if c.isalnum() else "-" for c in kind.lower())
            where = "energy" if ONE_ENERGY in kind else "layer"
            title = f"{kind.replace(ONE_ENERGY, '')} by {where}: {len(members)} histograms"
            figure = Figure(key, title, f"{kind}, {where} by {where}. {caption}", [sheets[n] for n in members], legend)
            blocks.append(Folded(title, [figure]))
    return Section("histograms", "Histograms", blocks)


def _rank(power: Results) -> float:
    return excess(power) if power.get("floor") is not None else float(power["value"])


def _physics(results: Results, colours: Mapping[str, str]) -> Section | None:
    found = {name: one["physics"] for name, one in judged(results).items() if one.get("physics")}
    if not found:
        return None
    first = next(iter(found.values()))
    names = energies.quantities(first)
    blocks: list[Block] = []
    if len(first) > 1 and names:
        sheets = [energies.by_energy(name, found, colours) for name in names]
        caption = "Grey: Geant4 with its error; points: samples; below, the ratio to Geant4."
        blocks.append(Figure("physics", "By incident energy", caption, sheets, _legend(list(found), colours)))
    drawn = profiles(
        {name: bins for name, bins in found.items() if all("profiles" in one for one in bins)} or found, colours
    )
    if drawn:
        caption = "Mean energy fractions in each bin of energy. Grey: Geant4; below, the ratio with Geant4's error."
        blocks.append(Figure("profiles", "Profiles", caption, drawn, _legend(list(found), colours)))
    for label, bins in found.items():
        table = numbers.physics_table(list(bins), names, label)
        if table.rows:
            blocks.append(table if len(found) == 1 and len(table.rows) < 25 else Folded(table.caption, [table]))
    return Section("physics", "Physics by incident energy", blocks) if blocks else None


def _averages(arrays: Arrays) -> Section | None:
    if not arrays.others:
        return None
    legend = [("geant4-pale", "Geant4"), *((model(index), name) for index, name in enumerate(arrays.others))]
    blocks: list[Block] = [
        Figure(
            "average-layers", "Average shower", "Mean deposit seen along the axis, one scale a column.",
            [average.cross_sections(arrays.reference, arrays.others)], wide=True,
        ),
        Figure(
            "average-depth", "Mean energy by layer", "Mean energy of every layer, and its ratio to Geant4's.",
            [average.along_depth(arrays.reference, arrays.others)], legend,
        ),
    ]  # fmt: skip
    if arrays.reference.detector.n_layers > 4:
        caption = "Mean deposit against layer and distance from the axis."
        sheet = average.depth_and_radius(arrays.reference, arrays.others)
        blocks.append(Figure("average-radius", "Depth and radius", caption, [sheet], wide=True))
    return Section("average", "Average showers", blocks)


def _correlations(results: Results, arrays: Arrays) -> Section | None:
    if REFERENCE not in arrays.correlations or NAMES not in arrays.correlations:
        return None
    blocks: list[Block] = []
    for name, one in judged(results).items():
        if name not in arrays.correlations:
            continue
        numbers_of = one.get("correlations") or {}
        said = f"{name}: correlations of every pair of features."
        if numbers_of.get("largest_difference") is not None:
            pair = " and ".join(str(p) for p in numbers_of.get("largest_pair") or [])
            said = f"{name}: the largest difference is {numbers_of['largest_difference']:.3f}"
            said += f" ({pair})" if pair else ""
            if numbers_of.get("floor_largest") is not None:
                said += f", floor {numbers_of['floor_largest']:.3f}"
            if numbers_of.get("mean_difference") is not None:
                said += f"; the mean one {numbers_of['mean_difference']:.4f}"
            if numbers_of.get("floor_mean") is not None:
                said += f", floor {numbers_of['floor_mean']:.4f}"
            said += "."
        key = "correlations" if not blocks else f"correlations-{len(blocks)}"
        figure = Figure(key, f"Correlations of {name}", said, correlations(arrays.correlations, name))
        blocks.append(figure if not blocks else Folded(figure.title, [figure]))
    return Section("correlations", "Correlations", blocks) if blocks else None


def _memory(results: Results, arrays: Arrays | None, colours: Mapping[str, str]) -> Section | None:
    blocks: list[Block] = list(numbers.memory(results))
    if arrays is not None and any(name != REFERENCE for name in arrays.distances):
        names = [name for name in arrays.distances if name != REFERENCE]
        caption = "A generator that copies stands left of unseen Geant4 (grey). Mirror images and scale are left aside."
        sheet = spectra.distances(arrays.distances, colours)
        blocks.append(Figure("neighbours", "Nearest neighbours", caption, [sheet], _legend(names, colours)))
    return Section("memory", "Memory of the training set", blocks) if blocks else None
