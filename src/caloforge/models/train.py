"""Training of a recipe: every stage in turn, from a file of showers to a checkpoint."""

from __future__ import annotations

import json
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from caloforge import __version__
from caloforge.detectors import Detector, load_detector, to_json
from caloforge.errors import CaloforgeError
from caloforge.files import file_sha256, write_text
from caloforge.models.batches import Rows, ShowerBatches, ShowerRows, split_rows
from caloforge.models.build import build
from caloforge.models.checkpoint import load_checkpoint, load_matching, save_checkpoint
from caloforge.models.objectives import objective_of
from caloforge.models.recipe import Recipe, Stage
from caloforge.models.shower_model import ShowerModel
from caloforge.randomness import stream_seed
from caloforge.showers import open_showers
from caloforge.training import Callback, TrainingSettings, load_weights, train
from caloforge.training.checkpoint import read_json
from caloforge.training.settings import FREE

FIT_BYTES = 1 << 27
"""Showers to which means and scales are fitted fill at most this much memory; fitting takes several times that."""

CallbackMaker = Callable[[ShowerModel, Stage], Sequence[Callback]]


@dataclass(frozen=True)
class TrainedRecipe:
    """How a run ended: the checkpoint's folder, or None where it was interrupted; seconds; what each stage reached."""

    checkpoint: Path | None
    seconds: float
    stages: dict[str, dict[str, Any]]


def train_recipe(
    recipe: Recipe,
    data: Path | str,
    out: Path | str,
    init: Path | str | None = None,
    *,
    only: Sequence[str] = (),
    callbacks: CallbackMaker | None = None,
    half: bool = False,
    show: bool = True,
) -> TrainedRecipe:
    """Train every stage of a recipe on a file of showers; `out` becomes a checkpoint, its folders hold the stages.

    Started again with the same arguments it goes on where it was interrupted. init: a checkpoint to start from; on
    its own detector its means and scales are kept, on another the parameters whose shapes fit are taken over. only:
    train these stages alone, the others are as in `init`. half: parameters on disk in float16. The complete model
    before a distillation is kept in out/teacher. Raises CaloforgeError on bad input or other settings than before.
    """
    start = time.monotonic()
    data, out = Path(data), Path(out)
    detector = load_detector(recipe.detector)
    source = open_showers(data, detector=detector)
    _say_what_is_not_learned(data, list(source.read(0, 1).conditions), recipe.data.mirrors)
    seed = recipe.stages[0].training.seed
    training_rows, validation_rows = split_rows(data, len(source), dict(source.attributes), recipe.data, seed)
    unknown = [name for name in only if name not in [stage.name for stage in recipe.stages]]
    if unknown:
        recipe.stage(unknown[0])
    if only and len(only) < len(recipe.stages) and init is None:
        raise CaloforgeError(
            f"--only {','.join(only)} leaves stages untrained; give --init CHECKPOINT, which has learned them."
        )
    data_sha256 = _sha256(data)
    claim = _same_run(out, recipe, data_sha256, init, only)

    rows = ShowerRows(data, detector, training_rows, turned=recipe.data.turned)
    validation = ShowerRows(data, detector, validation_rows) if len(validation_rows) else None
    energy_range, largest = _survey(rows)
    first_of_run = next(stage for stage in recipe.stages if not only or stage.name in only)
    previous = recipe.stages[max(recipe.stages.index(first_of_run) - 1, 0)]
    before = previous.name if only else recipe.stages[0].name
    model = _fresh(recipe, before, detector, stream_seed(seed, "weights"))
    beta = float(recipe.model.get("beta", np.inf))
    if largest > beta:
        raise CaloforgeError(
            f"a shower of {data} deposits {largest:.4g} times its incident energy, beyond model.beta = {beta:g}; "
            f"set model.beta to {largest * 1.01:.4g} or more."
        )
    _check_objectives(recipe, before, model)
    write_text(out / "run.json", claim)
    started_from = _start(model, rows, recipe.data.mirrors, init)

    provenance: dict[str, Any] = {
        "incident_range_mev": list(energy_range),
        "incident_energies": len(rows),
        "largest_total_over_incident": largest,
        "data": {
            "file": data.name,
            "sha256": data_sha256,
            "showers": len(source),
            "training_rows": _ranges(training_rows),
            "validation_rows": _ranges(validation_rows),
            "turned_copies": rows.copies,
            "attributes": {key: str(value) for key, value in source.attributes.items()},
        },
        "init": started_from,
        "versions": {
            "caloforge": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "stages": {},
    }
    done: dict[str, dict[str, Any]] = provenance["stages"]
    current = before
    for index, stage in enumerate(recipe.stages):
        if only and stage.name not in only:
            continue
        if stage.objective == "distillation":
            save_checkpoint(out / "teacher", model, recipe, {**provenance, "stage": current}, half=half)
        if stage.objective == "distillation" or recipe.model_of(stage.name) != recipe.model_of(current):
            model, old = _changed(recipe, stage, model), model
        else:
            old = model
        factor = dict(model.named_factors()).get(stage.factor)
        if factor is None:
            raise CaloforgeError(
                f"stage '{stage.name}': the model has no factor '{stage.factor}'; give one of "
                f"{', '.join(model.factors)}."
            )
        objective = objective_of(stage, factor.model, dict(old.named_factors())[stage.factor].model)
        current = stage.name
        finished = out / stage.name / "finished.json"
        if finished.is_file():
            done[stage.name] = read_json(finished)
        else:
            began = time.monotonic()
            batch_seed = stream_seed(stage.training.seed, "stage", index)
            result = train(
                objective,
                ShowerBatches(rows, factor, stage.batch_size, batch_seed, mirrors=recipe.data.mirrors),
                TrainingSettings(**stage.training.model_dump()),
                out / stage.name,
                validation=None
                if validation is None
                else ShowerBatches(validation, factor, stage.batch_size, batch_seed, fixed=True),
                documents={"recipe.yaml": recipe.to_yaml(), "detector.json": to_json(detector)},
                callbacks=tuple(callbacks(model, stage)) if callbacks is not None else (),
                show=show,
            )
            if result.interrupted:
                return TrainedRecipe(None, time.monotonic() - start, done)
            done[stage.name] = {
                "best_step": result.best_step,
                "best_loss": result.best_loss,
                "parameters": sum(p.numel() for p in factor.model.parameters()),
                "seconds": round(time.monotonic() - began, 1),
            }
            write_text(finished, json.dumps(done[stage.name]) + "\n")
        factor.model.load_state_dict(load_weights(out / stage.name))
    save_checkpoint(out, model.eval(), recipe, {**provenance, "stage": current}, half=half)
    return TrainedRecipe(out, time.monotonic() - start, done)


def _say_what_is_not_learned(data: Path, conditions: Sequence[str], mirrors: bool) -> None:
    """Warn of conditions in a file: models are told the incident energy alone."""
    if conditions:
        turned = " and, because of data.mirrors, of their mirror images" if mirrors else ""
        warnings.warn(
            f"the showers of {data} depend on {', '.join(sorted(conditions))} as well as on their energy, which no "
            f"model here is told: it learns the mixture of them{turned}.",
            stacklevel=3,
        )


def _fresh(recipe: Recipe, stage: str, detector: Detector, seed: int) -> ShowerModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(recipe.model_of(stage), detector)


def _changed(recipe: Recipe, stage: Stage, old: ShowerModel) -> ShowerModel:
    """The model with the stage's settings: other factors and all that was fitted come from the old one."""
    new = _fresh(recipe, stage.name, old.detector, stream_seed(stage.training.seed, "weights-" + stage.name))
    learned = f"factors.{stage.factor}.model."
    kept = {name: value for name, value in old.state_dict().items() if not name.startswith(learned)}
    state = new.state_dict()
    for name, value in kept.items():
        if name not in state or state[name].shape != value.shape:
            raise CaloforgeError(
                f"stage '{stage.name}' may change the factor '{stage.factor}' only, "
                f"but its model changes '{name}' as well; leave the rest of its 'model' out."
            )
    new.load_state_dict({**state, **kept})
    if stage.objective != "distillation" and stage.from_ is not None:
        load_matching(dict(new.named_factors())[stage.factor].model, dict(old.named_factors())[stage.factor].model)
    return new


def _start(model: ShowerModel, rows: ShowerRows, mirrors: bool, init: Path | str | None) -> dict[str, Any] | None:
    """Fit means and scales, and take over what a checkpoint has learned; returns what was taken over."""
    if init is None:
        model.fit(*_for_fit(rows, mirrors))
        return None
    other, _, provenance = load_checkpoint(init)
    same = other.detector.fingerprint() == model.detector.fingerprint()
    if same and {k: v.shape for k, v in other.state_dict().items()} == {
        k: v.shape for k, v in model.state_dict().items()
    }:
        model.load_state_dict(other.state_dict())
        copied = total = len(list(model.parameters()))
    else:
        model.fit(*_for_fit(rows, mirrors))
        copied, total = load_matching(model, other)
    if copied == 0:
        raise CaloforgeError(
            f"nothing of checkpoint {init} fits the recipe's model; take its recipe, or train without --init."
        )
    return {"weights_sha256": provenance.get("weights_sha256"), "parameters_taken_over": copied, "of": total}


def _for_fit(rows: ShowerRows, mirrors: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Showers to fit means and scales to, in every view that training will show them in."""
    views = rows.detector.views(mirrors)
    n = max(1, min(len(rows), FIT_BYTES // (4 * rows.detector.n_voxels * len(views))))
    positions = np.unique(np.linspace(0, len(rows) - 1, n).astype(np.int64)) if n < len(rows) else np.arange(n)
    energy, deposits = rows.read(positions)
    seen = np.concatenate([deposits[:, view] for view in views])
    return torch.from_numpy(np.tile(energy, len(views))), torch.from_numpy(seen)


def _survey(rows: ShowerRows) -> tuple[tuple[float, float], float]:
    """Smallest and largest incident energy in MeV, and the largest ratio of deposited to incident energy."""
    low, high, largest = np.inf, 0.0, 0.0
    for first in range(0, len(rows), 1000):
        energy, deposits = rows.read(np.arange(first, min(first + 1000, len(rows))))
        low, high = min(low, float(energy.min())), max(high, float(energy.max()))
        largest = max(largest, float((deposits.sum(axis=1, dtype=np.float64) / energy).max()))
    return (low, high), largest


def _check_objectives(recipe: Recipe, first: str, model: ShowerModel) -> None:
    """Raise CaloforgeError where an objective does not fit its factor, as far as stages leave the model as it is."""
    factors = dict(model.named_factors())
    for stage in recipe.stages:
        if recipe.model_of(stage.name) == recipe.model_of(first) and stage.factor in factors:
            learned = factors[stage.factor].model
            objective_of(stage, learned, learned)


def _same_run(out: Path, recipe: Recipe, data_sha256: str, init: Path | str | None, only: Sequence[str]) -> str:
    """What is to be noted in `out` of this run, as JSON; raises CaloforgeError where another one was started there.

    It is noted once the model could be built: a recipe that cannot be trained leaves the folder free.
    """
    plan = recipe.plan()
    init_sha256 = None
    if init is not None:
        weights = Path(init) / "weights.safetensors"
        if not weights.is_file():
            raise CaloforgeError(
                f"{init} is no checkpoint: it has no weights.safetensors; give the folder of a trained model."
            )
        init_sha256 = _sha256(weights)
    now = {"recipe": plan, "data_sha256": data_sha256, "init_sha256": init_sha256, "only": list(only)}
    noted = out / "run.json"
    if noted.is_file():
        then = read_json(noted)
        difference = _first_difference(_fixed(then), _fixed(now), "")
        if difference:
            raise CaloforgeError(
                f"{out} holds a run with other settings ({difference}); use the same ones to go on, or another folder."
            )
        now = then
    return json.dumps(now, indent=1) + "\n"


def _fixed(run: Any) -> Any:
    """A noted run without the settings of training that leave its outcome alone."""
    if isinstance(run, dict):
        return {key: _fixed(value) for key, value in run.items() if key not in FREE}
    return [_fixed(value) for value in run] if isinstance(run, list) else run


def _first_difference(then: Any, now: Any, path: str) -> str:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in [*then, *(k for k in now if k not in then)]:
            found = _first_difference(then.get(key), now.get(key), f"{path}.{key}".strip("."))
            if found:
                return found
        return ""
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return next(
            (
                f
                for i, (a, b) in enumerate(zip(then, now, strict=True))
                if (f := _first_difference(a, b, f"{path}.{i}"))
            ),
            "",
        )
    return "" if then == now else f"{path} was {then!r} and is {now!r}"


def _ranges(rows: Rows | NDArray[Any]) -> list[list[int]]:
    """Ascending rows as [first, after the last] ranges."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    return [[int(piece[0]), int(piece[-1]) + 1] for piece in np.split(rows, breaks)]


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise CaloforgeError(f"{path} cannot be read ({error.strerror or error}); give a file that can.") from error
