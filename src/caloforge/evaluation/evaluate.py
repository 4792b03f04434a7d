"""Judge generated showers against Geant4: one call, one result, one report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from caloforge import __version__
from caloforge.errors import CaloforgeError
from caloforge.evaluation.case import NAIVE, Case
from caloforge.evaluation.checks import (
    check_copies,
    check_deposits,
    check_detectors,
    check_disjoint,
    check_particles,
    check_protocol,
    check_units,
    check_unseen,
    note_copies,
    note_energies,
    note_repeats,
)
from caloforge.evaluation.naive import GAUSSIAN, NEAREST, diagonal_gaussian, nearest_rescaled
from caloforge.evaluation.page.verdict import verdict
from caloforge.evaluation.protocol import Protocol
from caloforge.evaluation.protocols import chosen_parts, default_protocol, find_protocol
from caloforge.evaluation.results import SCHEMA, Results, as_json, plain
from caloforge.evaluation.sample import Sample, Source, affordable_rows, rows_of
from caloforge.evaluation.separations import voxel_edges
from caloforge.evaluation.watch import Advance, Progress, Watch
from caloforge.models.seen import Seen

GENERATED = "generated"
_RESERVED = ("reference", "training", "floor", "geant4")
_PARTS = {
    "histograms": "histograms",
    "fpd": "distances",
    "prdc": "neighbourhoods",
    "physics": "physics",
    "memorisation": "memory",
    "multiclass": "multiclass",
}


def evaluate(
    reference: Source,
    generated: Source,
    training: Source | None = None,
    protocol: str | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    quick: bool = False,
    extra_generated: Mapping[str, Source] | None = None,
    *,
    floor: Source | None = None,
    only: Sequence[str] = (),
    repeats: int | None = None,
    name: str = GENERATED,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    force: bool = False,
    seconds_per_shower: Mapping[str, float] | None = None,
    hardware: str | None = None,
    progress: Progress | None = None,
) -> Results:
    """Judge showers against unseen Geant4 showers of the same detector; return the result as plain data (schema 2).

    reference: Geant4 showers that no training and no selection has seen. generated: the showers to judge, called
    `name` in the result; extra_generated: others by name, for the same table. training: the Geant4 showers that the
    models saw, for naive generators, floors and the memorisation check. floor: further unseen Geant4 showers, for the
    floors; without them the training showers, else halves of the reference serve. protocol: see
    `caloforge.evaluation.PROTOCOLS`; by default 2024-07 where the reference has enough showers for it, else
    caloforge-1 from 20,000 on, else small-n. quick: 250 showers, one seed, stored floor. only: the parts to run, of
    `caloforge.evaluation.PARTS`. repeats: trainings of each classifier. out: folder for results.json and the report,
    or None. models: provenance of the checkpoint of each sample by name, where its file does not tell. force: judge
    also where the reference was used for training. seconds_per_shower: time per shower by name ('geant4' for Geant4)
    on `hardware`. progress: told how far each stage is.

    Raises CaloforgeError for samples that are empty, not finite, of other detectors, particles or units, or too small
    for the protocol, and for a reference that training has seen.
    """
    others: dict[str, Source] = {name: generated, **(extra_generated or {})}
    case = examine(
        reference, others, training, protocol, seed, quick, floor=floor, only=only, repeats=repeats, models=models,
        force=force, progress=progress, folder=None if out is None else Path(out),
    )  # fmt: skip
    results = case.results
    results["seconds_per_shower"] |= seconds_per_shower or {}
    if hardware:
        results["hardware"] = hardware
    if out is not None:
        write_report(case, Path(out))
    return results


def examine(
    reference: Source,
    others: Mapping[str, Source],
    training: Source | None = None,
    protocol: str | None = None,
    seed: int = 0,
    quick: bool = False,
    *,
    floor: Source | None = None,
    only: Sequence[str] = (),
    repeats: int | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    force: bool = False,
    progress: Progress | None = None,
    folder: Path | None = None,
) -> Case:
    """What `evaluate` finds, with all that its figures need; `others` are the generated samples by name."""
    watch = Watch(progress)
    _check_names(others, repeats)
    known = {"training": training, "floor": floor}
    sources: dict[str, Source] = {"reference": reference, **others}
    sources |= {label: source for label, source in known.items() if source is not None}
    check_detectors(sources)
    chosen = protocol or ("small-n" if quick else default_protocol(reference.detector, len(reference)))
    rules = find_protocol(chosen, quick)
    parts = chosen_parts(rules, tuple(only))
    check_protocol(rules, reference.detector, parts, {label: len(sources[label]) for label in ("reference", *others)})
    particle = check_particles(sources)
    if not force:
        seen = {label: Seen.of_checkpoint(provenance) for label, provenance in (models or {}).items()}
        check_unseen(reference, others, seen)
        for label, source in known.items():
            if source is not None:
                check_disjoint(reference, label, source)
    case = _gathered(reference, others, training, floor, rules, parts, seed, watch)
    if not force:
        for label, sample in (("training", case.training), ("floor", case.floor)):
            if sample is not None:
                check_copies(case.reference, label, sample)
    case.repeats, case.folder, case.show = repeats, folder, progress is not None
    _run(case, parts)
    case.results = _results(case, particle)
    return case


def _check_names(others: Mapping[str, Source], repeats: int | None) -> None:
    if repeats is not None and repeats < 1:
        raise CaloforgeError(f"--repeats is {repeats}, expected at least 1; give a larger number.")
    for label in others:
        if label in (*_RESERVED, *NAIVE):
            raise CaloforgeError(f"A generated sample is called '{label}', which means something else; rename it.")


def _gathered(
    reference: Source, others: Mapping[str, Source], training: Source | None, floor: Source | None, rules: Protocol,
    parts: tuple[str, ...], seed: int, watch: Watch,
) -> Case:  # fmt: skip
    """Every sample read once, and the naive generators."""
    detector = reference.detector
    threshold = rules.histogram_threshold_mev(detector)
    limit = None if training is None else min(len(training), max(4 * affordable_rows(detector), len(reference)))
    total = len(reference) + sum(map(len, others.values())) + (limit or 0) + (0 if floor is None else len(floor))
    case: Case
    with watch.stage("features", total, "showers") as advance:
        unseen = _reference(reference, threshold, "histograms" in parts, advance)
        edges = None if unseen.voxels is None else unseen.voxels[0]

        def gather(label: str, source: Source, most: int | None = None, told: Advance | None = None) -> Sample:
            return Sample.gather(label, source, most, threshold, edges, advance=told)

        samples = {label: gather(label, source, told=advance) for label, source in others.items()}
        further = None if floor is None else gather("floor", floor, told=advance)
        seen = None if training is None else gather("training", training, limit, advance)
        for one in (*samples.values(), further, seen):
            if one is not None:
                check_units(unseen, one)
        if rules.naive and training is not None:
            rows = affordable_rows(detector)
            trained = rows_of(training, np.arange(min(len(training), rows), dtype=np.int64))
            energies = unseen.features.incident_energy_mev[:rows]
            samples[NEAREST] = gather(NEAREST, nearest_rescaled(trained, energies, seed))
            samples[GAUSSIAN] = gather(GAUSSIAN, diagonal_gaussian(trained, energies, seed))
    n = min(len(unseen), *(len(sample) for sample in samples.values()))
    case = Case(rules, seed, unseen, samples, seen, further, n, watch=watch)
    case.found = {label: {} for label in samples}
    judged = case.judged()
    case.notes = check_deposits(unseen, judged) + note_copies(unseen, judged) + note_energies(unseen, judged)
    case.notes += note_repeats({"reference": unseen, **judged})
    if any(len(sample) != n for sample in (unseen, *samples.values())):
        case.notes.append(f"Samples differ in length; {n:,} of each are compared.")
    if further is not None and len(further) < n:
        case.notes.append(f"--floor has {len(further):,} showers, fewer than the {n:,} compared, and is not used.")
    if training is None:
        without = "no naive generators, no memorisation check" if rules.naive else "no memorisation check"
        case.notes.append(f"No training showers were given: {without}.")
    return case


def _reference(source: Source, threshold_mev: float, with_voxels: bool, advance: Advance) -> Sample:
    """The reference, with the counts of its voxels in bins that its largest one ends."""
    found = Sample.gather("reference", source, threshold_mev=threshold_mev, advance=advance)
    if not with_voxels:
        return found
    edges = voxel_edges(found)
    return found.with_voxels(edges)


def _run(case: Case, parts: tuple[str, ...]) -> None:
    for part in parts:
        if part == "classifiers":
            _classify(case)
        else:
            run: Callable[[Case], None] = import_module(f"caloforge.evaluation.parts.{_PARTS[part]}").run
            run(case)


def _classify(case: Case) -> None:
    if case.protocol.panel is not None:
        from caloforge.evaluation.parts.panel import run
    else:
        from caloforge.evaluation.parts.official import run
    run(case)


def _results(case: Case, particle: str | None) -> Results:
    """The result file's data, in the order of docs/results.md."""
    (first, top), *rest = case.found.items()
    for entry in case.found.values():
        hasty = " A quick look, with too few showers for a verdict." if case.protocol.quick else ""
        entry["verdict"] = verdict({**entry, "compared": case.n}) + hasty
    sizes = {"training": case.training, "floor": case.floor}
    return dict(
        plain(
            {
                "schema": SCHEMA,
                "caloforge": __version__,
                "protocol": case.protocol.as_dict(),
                "seed": case.seed,
                "detector": {"name": case.detector.name, "fingerprint": case.detector.fingerprint()},
                "particle": particle,
                "showers": {
                    "reference": len(case.reference),
                    **{label: 0 if sample is None else len(sample.source) for label, sample in sizes.items()},
                    **{label: len(sample) for label, sample in case.samples.items()},
                },
                "compared": case.n,
                "name": first,
                **top,
                "others": dict(rest),
                **case.results,
                "seconds_per_shower": _times(case),
                "seconds": case.watch.all_seconds(),
                "notes": case.notes,
            }
        )
    )


def _times(case: Case) -> dict[str, float]:
    """Seconds per shower that the files themselves tell in their attribute `seconds_per_shower`."""
    found = {}
    for label, sample in {"geant4": case.reference, **case.samples}.items():
        value = getattr(sample.source, "attributes", {}).get("seconds_per_shower")
        if value is not None:
            found[label] = float(value)
    return found


def write_report(case: Case, folder: Path) -> None:
    """The page, the same as Markdown, its figures, and last results.json, which so never lacks its page."""
    from caloforge.evaluation.exhibits import arrays_of
    from caloforge.evaluation.page import write_page

    write_page(case.results, arrays_of(case), folder, [("results.json", as_json(case.results).encode())])
