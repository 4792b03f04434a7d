"""Repeated trainings of a classifier: mean, spread and statistical error; finished ones are kept and taken up again."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.evaluation.official.calibration import Performance
from caloforge.evaluation.official.inputs import both_inputs, check_memory
from caloforge.evaluation.official.networks import image_shape
from caloforge.evaluation.official.settings import ClassifierSettings, official_classifiers
from caloforge.evaluation.official.split import split_rows
from caloforge.evaluation.official.training import Outcome, Step, steps_per_epoch, train_once
from caloforge.evaluation.sample import Sample, paired
from caloforge.files import replaced, write_text
from caloforge.observables import known_as
from caloforge.randomness import stream_seed
from caloforge.training.progress import ProgressBar

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """What a classifier says of two samples after `len(repeats)` trainings.

    auc, jsd: means over the repeats; auc_spread, jsd_spread: their standard deviations (0 of a single one), as the
    CaloChallenge quotes them; auc_statistical, jsd_statistical: of one validation part; auc_error, jsd_error: both in
    quadrature; counts: showers per class in train, test and validation; epochs: the chosen one of each repeat.
    reference, generated: numbers (K,) of the showers that were in a validation part, counted in the rows given, and
    their calibrated probability (K,) of being Geant4, averaged over the repeats as a logit.
    """

    kind: str
    settings: ClassifierSettings
    auc: float
    auc_error: float
    jsd: float
    jsd_error: float
    auc_spread: float
    jsd_spread: float
    auc_statistical: float
    jsd_statistical: float
    counts: tuple[int, int, int]
    repeats: tuple[Performance, ...]
    epochs: tuple[int, ...]
    reference: tuple[Rows, Floats]
    generated: tuple[Rows, Floats]
    seconds: float
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For a result file: the contract's keys, and how they came about."""
        return {
            "auc": self.auc,
            "auc_error": self.auc_error,
            "jsd": self.jsd,
            "jsd_error": self.jsd_error,
            "n": sum(self.counts),
            "repeats": len(self.repeats),
            "auc_spread": self.auc_spread,
            "jsd_spread": self.jsd_spread,
            "epochs": list(self.epochs),
            "split": list(self.counts),
            "settings": self.settings.as_dict(),
        }


def train_classifier(
    kind: str, reference: Sample, generated: Sample, settings: ClassifierSettings | None = None, seed: int = 0,
    repeats: int = 1, *, reference_rows: Rows | None = None, generated_rows: Rows | None = None,
    folder: Path | str | None = None, show: bool = False, device: str | None = None,
) -> Trained:  # fmt: skip
    """Train classifier `kind` to tell a generated sample from the reference, `repeats` times on fresh splits.

    For a floor the second sample is Geant4 as well. settings: by default those of protocol 2024-07. reference_rows,
    generated_rows: which showers (all by default). folder: finished repeats are kept there and found again by the same
    call. show: a progress bar on standard error. device: "cpu" or "cuda", by default a GPU where torch finds one. Equal
    seed, threads, device and versions give equal numbers (on a GPU up to its rounding).

    Raises CaloforgeError where detectors differ, showers or memory do not suffice, the folder was begun with other
    settings, or a training diverges. Source: CaloChallenge, arXiv 2410.21611.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    settings = _checked(kind, reference, generated, settings, repeats, device)
    rows = (_rows(reference, reference_rows), _rows(generated, generated_rows))
    n, m = len(rows[0]), len(rows[1])
    counts = settings.counts(min(n, m), known_as(reference.detector))
    notice = check_memory(reference.detector, settings, max(n, m))
    kept = _Kept(folder, kind, _identity(reference, generated, rows, settings, counts, seed, device))
    outcomes = [kept.read(index) for index in range(repeats)]
    began = time.perf_counter()
    steps = settings.epochs * steps_per_epoch(2 * counts[0], settings.batch)
    if any(outcome is None for outcome in outcomes):
        twins = settings.keep_twins and n == m and paired(reference, generated) and np.array_equal(*rows)
        array, labels = both_inputs(reference, generated, rows, settings)
        table = _placed(torch.from_numpy(array), device)
        finished = sum(outcome is not None for outcome in outcomes)
        with ProgressBar(repeats * steps, finished * steps, show) as bar:
            if notice is not None:
                bar.say(notice)
            for index, outcome in enumerate(outcomes):
                if outcome is not None:
                    continue
                one = stream_seed(seed, f"classifier.{kind}", index)
                split = split_rows(n, m, counts, one, twins)
                step = _shown(bar, finished * steps, steps // settings.epochs, settings.epochs)
                made = train_once(table, labels, split, reference.detector, settings, one, device, step)
                outcomes[index] = made
                kept.write(index, made)
                finished += 1
                bar.update(finished * steps, settings.epochs)
                bar.say(_line(kind, index, repeats, made))
    done = [outcome for outcome in outcomes if outcome is not None]
    return _summary(kind, settings, counts, done, n, time.perf_counter() - began, () if notice is None else (notice,))


def _checked(
    kind: str, reference: Sample, generated: Sample, settings: ClassifierSettings | None, repeats: int, device: str
) -> ClassifierSettings:
    if settings is None:
        declared = official_classifiers("2024-07")
        settings = declared[kind] if kind in declared else ClassifierSettings(kind)  # type: ignore[arg-type]
    if settings.kind != kind:
        raise CaloforgeError(f"kind is '{kind}' and the settings are of '{settings.kind}'; pass settings of that kind.")
    if repeats < 1:
        raise CaloforgeError(f"repeats is {repeats}, expected at least 1; choose a larger number.")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise CaloforgeError(f"device is '{device}' and torch finds no GPU; use 'cpu'.")
    if not reference.detector.same_grid(generated.detector):
        raise CaloforgeError(
            f"The {generated.name} sample is of detector '{generated.detector.name}', expected that of the "
            f"{reference.name} sample, '{reference.detector.name}'; give showers of one detector."
        )
    if kind == "resnet":
        image_shape(reference.detector)
    return settings


def _rows(sample: Sample, rows: Rows | None) -> Rows:
    return np.arange(len(sample), dtype=np.int64) if rows is None else np.asarray(rows, dtype=np.int64)


def _placed(table: torch.Tensor, device: str) -> torch.Tensor:
    """The table on the GPU where it fits there beside the training; batches are moved one by one otherwise."""
    if device.startswith("cuda") and table.nbytes < 0.6 * torch.cuda.mem_get_info(device)[0]:
        return table.to(device)
    return table


def _shown(bar: ProgressBar, before: int, per_epoch: int, epochs: int) -> Step:
    def step(done: int, loss: float | None) -> None:
        bar.update(before + done, min(epochs, 1 + (done - 1) // per_epoch), loss)

    return step


def _line(kind: str, index: int, repeats: int, outcome: Outcome) -> str:
    found = outcome.found
    return (
        f"{kind}, training {index + 1} of {repeats}: AUC {found.auc:.4f} +- {found.auc_error:.4f}, "
        f"JSD {found.jsd:.4f} (epoch {outcome.epoch})"
    )


def _identity(
    reference: Sample, generated: Sample, rows: tuple[Rows, Rows], settings: ClassifierSettings,
    counts: tuple[int, int, int], seed: int, device: str,
) -> dict[str, Any]:  # fmt: skip
    digest = hashlib.sha256()
    for sample, chosen in zip((reference, generated), rows, strict=True):
        digest.update(np.float64(sample.threshold_mev).tobytes())
        for values in (sample.features.incident_energy_mev, sample.features.layer_energy_mev):
            digest.update(np.ascontiguousarray(values[chosen]).tobytes())
    return {
        "settings": json.loads(json.dumps(settings.as_dict())),
        "split": list(counts),
        "seed": seed,
        "showers_sha256": digest.hexdigest(),
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }


class _Kept:
    """Finished repeats in a folder: numbers as JSON, probabilities beside them as arrays; nothing without a folder."""

    def __init__(self, folder: Path | str | None, kind: str, identity: dict[str, Any]) -> None:
        self._folder, self._kind, self._identity = None if folder is None else Path(folder), kind, identity

    def _paths(self, index: int) -> tuple[Path, Path]:
        assert self._folder is not None
        stem = f"{self._kind}-{index:03d}"
        return self._folder / f"{stem}.json", self._folder / f"{stem}.npz"

    def read(self, index: int) -> Outcome | None:
        """A finished repeat; None where there is none. Raises CaloforgeError where other settings made it."""
        if self._folder is None or not self._paths(index)[0].is_file():
            return None
        path, arrays = self._paths(index)
        try:
            noted = json.loads(path.read_text(encoding="utf-8"))
            before = noted["identity"]
            changed = [key for key, value in self._identity.items() if before.get(key) != value]
            if changed:
                raise CaloforgeError(
                    f"{path} was made with other settings ({changed[0]} was {before.get(changed[0])!r} and is "
                    f"{self._identity[changed[0]]!r}); use the same ones to go on, or another folder."
                )
            with np.load(arrays, allow_pickle=False) as stored:
                rows, probabilities = stored["rows"], stored["probabilities"]
            found = Performance(**noted["found"])
            return Outcome(found, rows, probabilities, int(noted["epoch"]), tuple(noted["accuracies"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
            raise CaloforgeError(f"{path} is damaged ({error}); remove it and start again.") from error

    def write(self, index: int, outcome: Outcome) -> None:
        """Keep a finished repeat; the JSON comes last and says that the arrays are whole."""
        if self._folder is None:
            return
        path, arrays = self._paths(index)
        with replaced(arrays) as beside, beside.open("wb") as file:
            np.savez(file, rows=outcome.rows, probabilities=outcome.probabilities)
        noted = {
            "found": asdict(outcome.found),
            "epoch": outcome.epoch,
            "accuracies": outcome.accuracies,
            "identity": self._identity,
        }
        write_text(path, json.dumps(noted, indent=1) + "\n")


def _summary(
    kind: str, settings: ClassifierSettings, counts: tuple[int, int, int], outcomes: Sequence[Outcome], n: int,
    seconds: float, notes: tuple[str, ...],
) -> Trained:  # fmt: skip
    found = [outcome.found for outcome in outcomes]
    numbers: dict[str, float] = {}
    for name in ("auc", "jsd"):
        values = [getattr(one, name) for one in found]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        statistical = float(np.mean([getattr(one, f"{name}_error") for one in found]))
        numbers[name], numbers[f"{name}_spread"] = float(np.mean(values)), spread
        numbers[f"{name}_statistical"], numbers[f"{name}_error"] = statistical, float(np.hypot(spread, statistical))
    rows = np.concatenate([outcome.rows for outcome in outcomes])
    p = np.concatenate([outcome.probabilities for outcome in outcomes])
    shown, place = np.unique(rows, return_inverse=True)
    logits = np.bincount(place, np.log(p) - np.log1p(-p)) / np.bincount(place)
    mean = 1.0 / (1.0 + np.exp(-logits))
    ours = shown < n
    return Trained(
        kind=kind,
        settings=settings,
        counts=counts,
        repeats=tuple(found),
        epochs=tuple(outcome.epoch for outcome in outcomes),
        reference=(shown[ours], mean[ours]),
        generated=(shown[~ours] - n, mean[~ours]),
        seconds=seconds,
        notes=notes,
        **numbers,
    )
