"""Checkpoints: immutable folders `step-N`, and small files `last` and `best` that name one of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.files import replaced, write_text

WEIGHTS = "weights.safetensors"


def step_name(step: int) -> str:
    """Name of the folder of one step."""
    return f"step-{step}"


def step_folders(out: Path) -> list[Path]:
    """The step folders in `out`, oldest first."""
    found = [path for path in out.glob("step-*") if path.is_dir() and path.name[5:].isdigit()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Named tensors in safetensors form."""
    return save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Named tensors of a safetensors file, on the CPU; raises CaloforgeError where it is missing or damaged."""
    try:
        return load(path.read_bytes())
    except OSError as error:
        raise CaloforgeError(
            f"{path} could not be read ({error.strerror}); give the folder of a checkpoint."
        ) from error
    except (SafetensorError, ValueError) as error:
        raise CaloforgeError(f"{path} is damaged ({error}); take an older step folder.") from error


def read_json(path: Path) -> Any:
    """Content of a JSON file; raises CaloforgeError where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaloforgeError(f"{path} could not be read ({error.strerror}); give the folder of a run.") from error
    except ValueError as error:
        raise CaloforgeError(f"{path} is damaged ({error}); start the run in a new folder.") from error


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write a folder of files, all or nothing; one that exists already is left as it is."""
    if folder.exists():
        return
    with replaced(folder) as beside:
        beside.mkdir()
        for name, content in files.items():
            (beside / name).write_bytes(content.encode() if isinstance(content, str) else content)


def save_weights(folder: Path, weights: Mapping[str, Tensor], documents: Mapping[str, str] | None = None) -> None:
    """Write `weights.safetensors` and the documents into a new folder, all or nothing."""
    write_folder(folder, {WEIGHTS: tensor_bytes(weights), **(documents or {})})


def point(out: Path, name: str, step: int) -> None:
    """Let the pointer file `name` ("last" or "best") name a step's folder."""
    write_text(out / name, step_name(step) + "\n")


def resolve(folder: Path | str) -> Path:
    """The step folder that a path means: the folder itself, else what its `best`, else its `last` names.

    A pointer file itself will do as well. Raises CaloforgeError where there is no checkpoint.
    """
    folder = Path(folder)
    pointers = [folder] if folder.is_file() else [folder / "best", folder / "last"]
    if (folder / WEIGHTS).is_file():
        return folder
    for pointer in pointers:
        if pointer.is_file() and pointer.name in ("best", "last"):
            target = pointer.parent / pointer.read_text(encoding="utf-8").strip()
            if not (target / WEIGHTS).is_file():
                raise CaloforgeError(
                    f"{pointer} names {target.name}, which holds no {WEIGHTS}; name another step folder."
                )
            return target
    raise CaloforgeError(
        f"{folder} holds no checkpoint ({WEIGHTS}, or a file 'best' or 'last'); give the folder of a training run."
    )


def load_weights(folder: Path | str) -> dict[str, Tensor]:
    """Weights by name of a checkpoint, on the CPU; `folder` as for `resolve`."""
    return read_tensors(resolve(folder) / WEIGHTS)


def prune(out: Path, keep: int | None, spared: set[int]) -> None:
    """Remove all step folders but the newest `keep` and the spared steps; None keeps all."""
    if keep is None:
        return
    for folder in step_folders(out)[:-keep]:
        if int(folder.name[5:]) not in spared:
            shutil.rmtree(folder, ignore_errors=True)
