"""The classifiers of the CaloChallenge on every sample, and on Geant4 against Geant4 at equal numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from caloforge.evaluation.case import NAIVE, Case
from caloforge.evaluation.parts.detail import Told, detail
from caloforge.evaluation.scores import indistinguishable


def run(case: Case) -> None:
    """Fill `classifiers` of every sample with their floors, weights and AUC by energy of the one that sees most."""
    from caloforge.evaluation.official import Trained, train_classifier

    repeats = case.repeats or 1
    kinds = [settings for settings in case.protocol.classifiers if _can_run(case, settings.kind)]
    pair = case.geant4_pair(case.n)
    floors: dict[str, Trained] = {}
    best: dict[str, Trained] = {}
    with case.watch.timed("classifiers"):
        for settings in kinds:
            kind = settings.kind
            if pair is not None and pair.n >= case.protocol.needed(case.detector):
                floors[kind] = train_classifier(
                    kind, pair.one, pair.two, settings, case.seed, repeats, reference_rows=pair.one_rows,
                    generated_rows=pair.two_rows, folder=_folder(case, "floor"), show=case.show,
                )  # fmt: skip
            for name, sample in case.samples.items():
                found = train_classifier(
                    kind, case.reference, sample, settings, case.seed, repeats, folder=_folder(case, name),
                    show=case.show,
                )  # fmt: skip
                case.notes.extend(note for note in found.notes if note not in case.notes)
                case.found[name].setdefault("classifiers", {})[kind] = _entry(found, floors.get(kind))
                if name not in best or found.auc > best[name].auc:
                    best[name] = found
    if not floors and kinds:
        case.notes.append(
            "The classifiers have no floor: it takes as many further Geant4 showers as the samples hold; give --floor "
            "or --training."
        )
    for name, one in best.items():
        if name in NAIVE:
            continue
        floor = floors.get(one.kind)
        beside = []
        if floor is not None and pair is not None:
            rows = pair.one_rows[floor.reference[0]], pair.two_rows[floor.generated[0]]
            beside = [Told(one.kind, pair.one, rows[0], floor.reference[1], pair.two, rows[1], floor.generated[1])]
        told = Told(one.kind, case.reference, *one.reference, case.samples[name], *one.generated)
        detail(case, name, told, beside)
        if floor is not None:
            sigma = math.hypot(one.auc_error, floor.auc_error)
            case.found[name]["indistinguishable"] = indistinguishable(one.auc, floor.auc, sigma)


def _entry(found: Any, floor: Any) -> dict[str, Any]:
    entry = found.as_dict()
    entry["floor"] = None if floor is None else floor.auc
    entry["floor_spread"] = entry["floor_error"] = None if floor is None else floor.auc_error
    entry["floor_jsd"] = None if floor is None else floor.jsd
    entry["floor_n"] = None if floor is None else sum(floor.counts)
    return dict(entry)


def _folder(case: Case, name: str) -> Path | None:
    """Where finished trainings are kept, so that an evaluation that was cut off goes on."""
    label = "".join(letter if letter.isalnum() else "-" for letter in name)
    return None if case.folder is None else case.folder / "classifiers" / label


def _can_run(case: Case, kind: str) -> bool:
    """Whether a classifier is defined for the detector: the ResNet wants the same polar grid in every layer."""
    if kind != "resnet":
        return True
    from caloforge.errors import CaloforgeError
    from caloforge.evaluation.official import image_shape

    try:
        image_shape(case.detector)
    except CaloforgeError as error:
        case.notes.append(f"No ResNet: {error}")
        return False
    return True
