"""A shower model on disk: weights, recipe, detector and provenance in one folder, and nothing pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from caloforge.detectors import from_json, to_json
from caloforge.documents import refuse_newer, said
from caloforge.errors import CaloforgeError
from caloforge.files import replaced, write_text
from caloforge.models.build import build
from caloforge.models.recipe import Recipe, parse_recipe
from caloforge.models.shower_model import ShowerModel

SCHEMA = 1
_HALF_LARGEST = 6.0e4


def save_checkpoint(
    folder: Path | str, model: ShowerModel, recipe: Recipe, provenance: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a checkpoint folder.

    Weights under a mask (a buffer `mask` beside `weight`) are stored without those that the mask switches off.
    With `half`, parameters go to disk in float16; what was fitted to data (buffers) stays as it is. `provenance`
    names the stage whose model this is ("stage") and the range of energies it was trained on ("incident_range_mev").
    Raises CaloforgeError where the folder cannot be written.
    """
    folder = Path(folder)
    document = dict(provenance)
    for key in ("stage", "incident_range_mev"):
        if key not in document:
            raise ValueError(f"provenance lacks '{key}'")
    weights = safetensors_bytes(pack(model, half=half))
    document["schema"] = SCHEMA
    document["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    write_text(folder / "detector.json", to_json(model.detector))
    with replaced(folder / "weights.safetensors") as beside:
        beside.write_bytes(weights)
    write_text(folder / "provenance.json", json.dumps(document, indent=2) + "\n")


def load_checkpoint(path: Path | str) -> tuple[ShowerModel, Recipe, dict[str, Any]]:
    """The model of a checkpoint folder in evaluation mode, its recipe and its provenance.

    Raises CaloforgeError on a missing or broken file, a newer schema, or weights that do not fit the recipe.
    """
    folder = Path(path)
    texts = {name: _read(folder, name) for name in ("recipe.yaml", "detector.json", "provenance.json")}
    try:
        provenance: dict[str, Any] = json.loads(texts["provenance.json"])
        version = int(provenance["schema"])
        stage = str(provenance["stage"])
        _low, _high = (float(end) for end in provenance["incident_range_mev"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise CaloforgeError(
            f"{folder / 'provenance.json'} is damaged ({said(error)}); take the checkpoint from its source again."
        ) from error
    refuse_newer(f"checkpoint {folder}", version, SCHEMA)
    recipe = parse_recipe(texts["recipe.yaml"], str(folder / "recipe.yaml"))
    model = build(recipe.model_of(stage), from_json(texts["detector.json"]))
    weights = folder / "weights.safetensors"
    try:
        with safe_open(weights, framework="pt") as stored:
            packed = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise CaloforgeError(
            f"{weights} is missing or damaged ({error}); take the checkpoint from its source again."
        ) from error
    unpack(model, packed, str(weights))
    return model.eval(), recipe, provenance


def pack(model: nn.Module, *, half: bool = False) -> dict[str, Tensor]:
    """The state of a module as it goes to disk: masked-out weights left out, parameters in float16 on request."""
    parameters = {name for name, _ in model.named_parameters()}
    masks = _masks(model)
    packed = {}
    for name, tensor in model.state_dict().items():
        if name in masks.values():
            continue
        value = tensor.detach().cpu()
        if name in masks:
            value = value[_buffer(model, masks[name]).cpu().bool().expand_as(value)]
        small = value.numel() == 0 or bool(value.abs().max() < _HALF_LARGEST)
        if half and name in parameters and value.dtype == torch.float32 and small:
            value = value.half()
        packed[name] = value.contiguous().clone()
    return packed


def unpack(model: nn.Module, packed: Mapping[str, Tensor], source: str) -> None:
    """Load what `pack` made into a module of the same sizes; `source` names the file in errors.

    Raises CaloforgeError where a tensor is missing, not expected, or of another size.
    """
    masks = _masks(model)
    state = model.state_dict()
    expected = {name for name in state if name not in masks.values()}
    if expected != set(packed):
        name = sorted(expected ^ set(packed))[0]
        raise _misfit(source, f"'{name}' is {'missing' if name in expected else 'not expected'}")
    for name in sorted(expected):
        value, target = packed[name], state[name]
        if name in masks:
            mask = _buffer(model, masks[name]).bool().expand_as(target)
            if value.shape != (int(mask.sum()),):
                raise _misfit(source, f"'{name}' has {value.numel()} weights, expected {int(mask.sum())}")
            full = torch.zeros_like(target)
            full[mask] = value.to(target)
            value = full
        if value.shape != target.shape:
            raise _misfit(source, f"'{name}' has shape {tuple(value.shape)}, expected {tuple(target.shape)}")
        state[name] = value.to(target)
    model.load_state_dict(state)


def _misfit(source: str, how: str) -> CaloforgeError:
    return CaloforgeError(f"{source} does not fit its recipe: {how}; take both from the same checkpoint.")


def load_matching(model: nn.Module, other: nn.Module) -> tuple[int, int]:
    """Copy the parameters of `other` whose name and shape fit into `model`: (copied, parameters of model).

    Fitted buffers are not taken over: they belong to the data.
    """
    source = dict(other.named_parameters())
    copied = total = 0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            total += 1
            if name in source and source[name].shape == parameter.shape:
                parameter.copy_(source[name])
                copied += 1
    return copied, total


def _masks(model: nn.Module) -> dict[str, str]:
    """Weight name -> name of the mask buffer beside it."""
    buffers = {name for name, _ in model.named_buffers()}
    found = {}
    for name, parameter in model.named_parameters():
        mask = name.removesuffix("weight") + "mask"
        if name.rpartition(".")[2] == "weight" and mask in buffers and _buffer(model, mask).dim() == parameter.dim():
            found[name] = mask
    return found


def _buffer(model: nn.Module, name: str) -> Tensor:
    return model.get_buffer(name)


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaloforgeError(
            f"{folder} is no checkpoint: its {name} cannot be read ({getattr(error, 'strerror', None) or error}); "
            "expected a folder with weights.safetensors, recipe.yaml, detector.json and provenance.json."
        ) from error
