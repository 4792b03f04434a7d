"""Judge generated showers against Geant4: one call, one result, one report."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge import __version__
from caloforge.errors import CaloforgeError
from caloforge.evaluation.floors import Floor, expected_floor, measured_floor, stored_floor
from caloforge.evaluation.judgement import Judgement
from caloforge.evaluation.memorisation import memorisation, nearest_distances
from caloforge.evaluation.naive import GAUSSIAN, NEAREST, diagonal_gaussian, nearest_rescaled
from caloforge.evaluation.panel import HEADLINE, judge
from caloforge.evaluation.protocols import find_protocol
from caloforge.evaluation.report import write_report
from caloforge.evaluation.sample import Sample, Source, affordable_rows, paired, rows_of, thresholded
from caloforge.evaluation.separations import VOXELS, Binned, separation_floor, separations, voxel_edges
from caloforge.files import write_text
from caloforge.observables import as_lists, binnings
from caloforge.randomness import numpy_generator
from caloforge.showers import Showers

GENERATED = "generated"
NEIGHBOURS = 1000


def evaluate(
    reference: Source,
    generated: Source,
    training: Source | None = None,
    protocol: str = "small-n",
    seed: int = 0,
    out: Path | str | None = None,
    quick: bool = False,
    extra_generated: Mapping[str, Source] | None = None,
    *,
    name: str = GENERATED,
    seconds_per_shower: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Judge showers against unseen Geant4 showers of the same detector; return the result as plain data.

    reference: Geant4 showers that no training and no selection has seen. generated: the showers to judge, called
    `name` in the result; extra_generated: others by name, for the same table. training: the Geant4 showers that the
    model saw, needed for naive generators, floors and the memorisation check. protocol: 'small-n'
    (with classifiers) or 'caloforge-1' (without). quick: 250 showers, one seed, stored floor. out: folder for
    results.json and report.html, or None. seconds_per_shower: time per shower by name ('geant4' for Geant4).

    Raises CaloforgeError for samples that are empty or of other detectors.
    """
    others: dict[str, Source] = {name: generated, **(extra_generated or {})}
    judgement = judgement_of(reference, others, training, protocol, seed, quick)
    results = judgement.results
    results["seconds_per_shower"] |= seconds_per_shower or {}
    if out is not None:
        folder = Path(out)
        write_text(folder / "results.json", json.dumps(results, indent=1, sort_keys=True) + "\n")
        write_report(judgement, folder / "report.html")
    return results


def judgement_of(
    reference: Source,
    others: Mapping[str, Source],
    training: Source | None = None,
    protocol: str = "small-n",
    seed: int = 0,
    quick: bool = False,
) -> Judgement:
    """What `evaluate` finds, with all that its figures need; `others` are the generated samples by name."""
    rules = find_protocol(protocol, quick)
    began = time.perf_counter()
    for other, source in [*others.items(), *([("training", training)] if training is not None else [])]:
        _check_detector(reference, other, source)
    samples = {label: Sample.gather(label, source) for label, source in others.items()}
    unseen = Sample.gather("reference", reference)
    notes: list[str] = []
    seen: Sample | None = None
    if training is None:
        notes.append("No training showers were given: no naive generators, no measured floors, no memorisation check.")
    else:
        limit = min(len(training), 4 * affordable_rows(unseen.detector))
        seen = Sample.gather("training", training, limit)
        known = rows_of(training, np.arange(min(limit, affordable_rows(unseen.detector)), dtype=np.int64))
        energies = unseen.features.incident_energy_mev[: affordable_rows(unseen.detector)]
        samples[NEAREST] = Sample.gather(NEAREST, nearest_rescaled(known, energies, seed))
        samples[GAUSSIAN] = Sample.gather(GAUSSIAN, diagonal_gaussian(known, energies, seed))
    n = min(len(unseen), *(len(sample) for sample in samples.values()))
    if any(len(sample) != n for sample in (unseen, *samples.values())):
        notes.append(f"Samples differ in length; {n} showers of each are compared.")
    judgement = Judgement(rules, unseen, seen, samples, {}, {}, {})
    results: dict[str, Any] = {
        "schema": 1,
        "caloforge": __version__,
        "protocol": asdict(rules),
        "seed": seed,
        "detector": {"name": unseen.detector.name, "fingerprint": unseen.detector.fingerprint()},
        "showers": {"reference": len(unseen), **{label: len(sample) for label, sample in samples.items()}},
        "training_showers": len(training) if training is not None else 0,
        "samples": {label: {} for label in samples},
        "floor": {},
        "notes": notes,
    }
    judgement.results = results
    _separate(judgement, n, seed)
    if rules.classifiers:
        _classify(judgement, min(n, rules.rows, affordable_rows(unseen.detector)), seed)
    if seen is not None:
        _neighbours(judgement, known)
    results["seconds_per_shower"] = _times(reference, others)
    results["seconds"] = round(time.perf_counter() - began, 1)
    return judgement


def _check_detector(reference: Source, name: str, source: Source) -> None:
    if not source.detector.same_grid(reference.detector):
        raise CaloforgeError(
            f"The {name} showers are of detector '{source.detector.name}' with {source.detector.n_voxels} voxels, "
            f"expected '{reference.detector.name}' with {reference.detector.n_voxels} as in the reference; "
            "give files of one detector."
        )


def _separate(judgement: Judgement, n: int, seed: int) -> None:
    reference, training, results = judgement.reference, judgement.training, judgement.results
    bins = binnings(reference.detector, reference.features, training.features if training else None)
    edges = voxel_edges(reference)
    whole = Binned.of(reference, edges)
    first = slice(0, n)
    for name, sample in judgement.others.items():
        found = separations(whole.rows(first), Binned.of(sample, edges).rows(first), bins, edges, reference)
        judgement.comparisons[name] = found
        results["samples"][name]["separation"] = {
            key: {"value": one.separation, "error": one.error, "outside": one.outside, "note": one.note}
            for key, one in found.items()
        }
    results["bins"] = as_lists({**bins, VOXELS: edges})
    results["showers_per_separation"] = n
    if training is not None and len(training) >= n:
        splits = judgement.protocol.separation_splits
        floor = separation_floor(whole, Binned.of(training, edges), n, bins, edges, splits, seed)
        results["floor"]["separation"] = {
            key: {"mean": mean, "spread": spread} for key, (mean, spread) in floor.items()
        }
    elif training is not None:
        results["notes"].append(
            f"There are only {len(training)} training showers for {n} in the comparison: separations have no floor."
        )


def _classify(judgement: Judgement, n: int, seed: int) -> None:
    reference, rules = judgement.reference, judgement.protocol
    results = judgement.results
    if n < 5 * rules.folds:
        raise CaloforgeError(
            f"There are {n} showers a class, expected at least {5 * rules.folds} for classifiers; "
            "give more showers or use --protocol caloforge-1."
        )
    results["showers_per_class"] = n
    floor = _floor(judgement, n, seed)
    results["floor"]["classifiers"] = {
        "n": floor.n, "source": floor.source,
        "auc": {kind: {"mean": mean, "spread": spread} for kind, (mean, spread) in floor.auc.items()},
    }  # fmt: skip
    for name, sample in judgement.others.items():
        rows, other = _choose(reference, sample, n, seed)
        verdicts = judge(reference, rows, sample, other, rules, seed)
        judgement.verdicts[name] = verdicts
        entry = results["samples"][name]
        entry["classifiers"] = {kind: verdict.as_dict() for kind, verdict in verdicts.items()}
        best = verdicts[HEADLINE]
        mean, spread = floor.auc[HEADLINE]
        sigma = float(np.hypot(best.auc_error, spread / np.sqrt(max(rules.floor_splits, 1))))
        entry["indistinguishable"] = bool(best.auc - mean < 2 * sigma and sigma <= 0.01)
        against = {str(n): [best.auc, best.auc_error]}
        if rules.floor_splits and not name.startswith("naive"):
            size = 250
            while size < n:
                rows, other = _choose(reference, sample, size, seed)
                one = judge(reference, rows, sample, other, rules, seed, seeds=1)[HEADLINE]
                against[str(size)] = [one.auc, one.auc_error]
                size *= 2
        entry["auc_against_n"] = dict(sorted(against.items(), key=lambda item: int(item[0])))


def _floor(judgement: Judgement, n: int, seed: int) -> Floor:
    rules, training = judgement.protocol, judgement.training
    if rules.floor_splits and training is not None and len(training) >= n:
        return measured_floor(judgement.reference, training, n, rules, seed, rules.floor_splits)
    found = stored_floor(judgement.reference, n) if not rules.floor_splits else None
    if found is None:
        judgement.results["notes"].append(f"No Geant4-against-Geant4 floor at n = {n}: the expected 0.5 is shown.")
    return found or expected_floor(n)


def _choose(reference: Sample, other: Sample, n: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """n rows of both; the same rows where the energies agree row by row."""
    rng = numpy_generator(seed, "evaluation.rows", n)
    rows = np.sort(rng.choice(len(reference), n, replace=False))
    twins = paired(reference, other)
    return rows, rows if twins else np.sort(rng.choice(len(other), n, replace=False))


def _neighbours(judgement: Judgement, known: Showers) -> None:
    detector, trained = judgement.reference.detector, thresholded(known)
    for name, sample in {"reference": judgement.reference, **judgement.others}.items():
        rows = np.arange(min(len(sample), NEIGHBOURS), dtype=np.int64)
        queries = thresholded(rows_of(sample.source, rows))
        judgement.distances[name] = nearest_distances(queries, trained, detector)
    for name in judgement.others:
        found = memorisation(judgement.distances[name], judgement.distances["reference"])
        judgement.results["samples"][name]["memorisation"] = found.as_dict()


def _times(reference: Source, others: Mapping[str, Source]) -> dict[str, float]:
    """Seconds per shower that the files themselves tell in their attribute `seconds_per_shower`."""
    found = {}
    for name, source in {"geant4": reference, **others}.items():
        value = getattr(source, "attributes", {}).get("seconds_per_shower")
        if value is not None:
            found[name] = float(value)
    return found
