"""What a run needs to go on where it stopped, to the bit: `resume/step-N` beside the checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from caloforge.errors import CaloforgeError
from caloforge.files import write_text
from caloforge.training.checkpoint import (
    point,
    read_json,
    read_tensors,
    step_folders,
    step_name,
    tensor_bytes,
    write_folder,
)
from caloforge.training.settings import FREE

UNCOMPARED = frozenset({"provenance.json"})
"""Documents that may differ between a run and its continuation (they tell the time, for example)."""


@dataclass
class Position:
    """Where a run stands, beside its tensors."""

    step: int = 0
    best_step: int | None = None
    best_loss: float | None = None
    unimproved: int = 0
    ended: bool = False
    skipped: int = 0
    skipped_in_a_row: int = 0
    ema_updates: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    since_validation: dict[str, list[float]] = field(default_factory=dict)
    since_log: dict[str, list[float]] = field(default_factory=dict)


def digest(value: Tensor) -> str:
    """Digest of a tensor's bytes."""
    flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return blake2b(flat.numpy().data, digest_size=16).hexdigest()


def frozen_digests(objective: nn.Module) -> dict[str, str]:
    """Digests of all that lies outside the model and is not trained (a teacher): only what changes of it is kept."""
    trained = {name for name, value in objective.named_parameters(remove_duplicate=False) if value.requires_grad}
    state = objective.state_dict()
    return {name: digest(state[name]) for name in state if not name.startswith("model.") and name not in trained}


def claim(out: Path, settings: Mapping[str, Any], documents: Mapping[str, str]) -> bool:
    """Take `out` for a run of these settings; True where the run has been here before.

    Raises CaloforgeError that names the first setting in which the run that is in `out` differs.
    """
    record = out / "resume" / "settings.json"
    compared = {name: text for name, text in documents.items() if name not in UNCOMPARED}
    if not record.is_file():
        if step_folders(out):
            raise CaloforgeError(
                f"{out} holds checkpoints but no resume/settings.json, so its run cannot go on; choose another folder."
            )
        content = {"schema": 1, "settings": dict(settings), "documents": compared}
        write_text(record, json.dumps(content, indent=1))
        return False
    before = read_json(record)
    if before.get("schema") != 1:
        found = before.get("schema")
        raise CaloforgeError(f"{record} has schema {found}, this version reads 1; use a newer caloforge.")
    old = before["settings"]
    for name in [*settings, *(name for name in old if name not in settings)]:
        if name not in FREE and old.get(name) != settings.get(name):
            raise CaloforgeError(
                f"{out} holds a run with {name} = {old.get(name)!r}, but now {name} = {settings.get(name)!r}; "
                "resume with the old value or choose another folder."
            )
    for name in sorted({*compared, *before["documents"]}):
        was, now = (_settled(documents.get(name, "")) for documents in (before["documents"], compared))
        if was != now:
            pairs = zip_longest(was, now, fillvalue="")
            number, (left, right) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
            raise CaloforgeError(
                f"{out} holds a run whose {name} differs in line {number} ('{left.strip()}', now '{right.strip()}'); "
                "resume with the old value or choose another folder."
            )
    return True


def _settled(document: str) -> list[str]:
    """Lines of a document, empty where they say a setting that may change, such as `workers: 2` in a recipe."""
    return ["" if line.strip().partition(":")[0] in FREE else line for line in document.splitlines()]


def _optimizer_tensors(turn: str, optimizer: Optimizer, names: Mapping[int, str]) -> Iterable[tuple[str, Tensor]]:
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            yield f"{turn}|{names[id(parameter)]}|{key}", torch.as_tensor(value)


def save_resume(
    out: Path,
    position: Position,
    objective: nn.Module,
    optimizers: Mapping[str, Optimizer],
    average: Mapping[str, Tensor] | None,
    frozen: Mapping[str, str],
) -> None:
    """Keep the state of a run in `out`/resume, the pointer last, so that it is whole at any time."""
    state = objective.state_dict()
    constant = {name: kept for name, kept in frozen.items() if digest(state[name]) == kept}
    names = {id(value): name for name, value in objective.named_parameters()}
    moments = {name: value for turn, opt in optimizers.items() for name, value in _optimizer_tensors(turn, opt, names)}
    files: dict[str, str | bytes] = {
        "objective.safetensors": tensor_bytes({name: value for name, value in state.items() if name not in constant}),
        "optimizer.safetensors": tensor_bytes(moments),
        "position.json": json.dumps({"schema": 1, **asdict(position), "constant": constant}),
    }
    if average is not None:
        files["ema.safetensors"] = tensor_bytes(average)
    folder = out / "resume"
    write_folder(folder / step_name(position.step), files)
    point(folder, "last", position.step)
    for old in step_folders(folder):
        if old.name != step_name(position.step):
            shutil.rmtree(old, ignore_errors=True)


def load_resume(
    out: Path, objective: nn.Module, optimizers: Mapping[str, Optimizer]
) -> tuple[Position, dict[str, Tensor] | None] | None:
    """Put a kept state back into objective and optimisers; None where nothing was kept yet.

    Raises CaloforgeError where the model or what is frozen beside it is another one.
    """
    pointer = out / "resume" / "last"
    if not pointer.is_file():
        return None
    folder = out / "resume" / pointer.read_text(encoding="utf-8").strip()
    document = read_json(folder / "position.json")
    constant: dict[str, str] = document.pop("constant")
    document.pop("schema")
    kept, state = read_tensors(folder / "objective.safetensors"), objective.state_dict()
    for name in sorted({*kept, *constant} ^ set(state)):
        raise CaloforgeError(
            f"{out} holds a run of another model ('{name}' is in one of the two only); choose another folder."
        )
    for name, value in sorted(kept.items()):
        if value.shape != state[name].shape:
            raise CaloforgeError(
                f"{out} holds a run of another model ('{name}' has the shape {tuple(value.shape)}, now "
                f"{tuple(state[name].shape)}); choose another folder."
            )
    for name, expected in constant.items():
        if digest(state[name]) != expected:
            raise CaloforgeError(
                f"{out} holds a run with other frozen values in '{name}'; give the same ones or choose another folder."
            )
    objective.load_state_dict(kept, strict=False)
    moments = read_tensors(folder / "optimizer.safetensors")
    names = {id(value): name for name, value in objective.named_parameters()}
    for turn, optimizer in optimizers.items():
        plain = optimizer.state_dict()
        ordered = [names[id(value)] for group in optimizer.param_groups for value in group["params"]]
        plain["state"] = {}
        for key, value in moments.items():
            owner, parameter, kind = key.split("|")
            if owner == turn:
                plain["state"].setdefault(ordered.index(parameter), {})[kind] = value
        optimizer.load_state_dict(plain)
    average = folder / "ema.safetensors"
    return Position(**document), read_tensors(average) if average.is_file() else None
