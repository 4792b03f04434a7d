"""Checkpoints: the same model comes back, small on disk, and damage is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from caloforge.errors import CaloforgeError
from caloforge.models.checkpoint import load_checkpoint, pack, save_checkpoint, unpack


def _sample(model: Any) -> torch.Tensor:
    return model.sample(torch.full((20,), 5e3), torch.Generator().manual_seed(1))


def test_the_same_showers_after_saving_again(trained: Path, tmp_path: Path) -> None:
    model, recipe, provenance = load_checkpoint(trained)
    save_checkpoint(tmp_path / "copy", model, recipe, provenance)
    assert torch.equal(_sample(load_checkpoint(tmp_path / "copy")[0]), _sample(model))
    assert (tmp_path / "copy" / "weights.safetensors").read_bytes() == (trained / "weights.safetensors").read_bytes()


def test_masked_out_weights_are_not_stored(trained: Path) -> None:
    model, _, _ = load_checkpoint(trained)
    stored = load_file(trained / "weights.safetensors")
    assert not any(name.endswith(".mask") for name in stored)
    name = "factors.voxels.model.blocks.0.made.output_layer"
    mask = model.get_buffer(f"{name}.mask")
    assert stored[f"{name}.weight"].shape == (int(mask.sum()),)
    assert 0 < mask.sum() < mask.numel()


def test_float16_halves_parameters_and_spares_what_was_fitted(trained: Path, tmp_path: Path) -> None:
    model, recipe, provenance = load_checkpoint(trained)
    save_checkpoint(tmp_path / "half", model, recipe, provenance, half=True)
    stored = load_file(tmp_path / "half" / "weights.safetensors")
    parameters = {name for name, _ in model.named_parameters()}
    assert all((value.dtype == torch.float16) == (name in parameters) for name, value in stored.items())
    again = load_checkpoint(tmp_path / "half")[0]
    for name, value in again.named_parameters():
        assert value.dtype == torch.float32
        masked = dict(model.named_parameters())[name]
        torch.testing.assert_close(value, masked.where(value != 0, torch.zeros(())), rtol=1e-3, atol=1e-6)


def test_large_parameters_stay_in_float32() -> None:
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(layer.weight, 1e6)
    packed = pack(layer, half=True)
    assert packed["weight"].dtype == torch.float32 and packed["bias"].dtype == torch.float16
    other = torch.nn.Linear(2, 2)
    unpack(other, packed, "x")
    assert torch.equal(other.weight, layer.weight)


@pytest.mark.parametrize("name", ["weights.safetensors", "recipe.yaml", "detector.json", "provenance.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "binary"])
def test_missing_and_damaged_files_are_named(trained: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in trained.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    if damage != "missing":
        (folder / name).write_bytes(content[: len(content) // 2] if damage == "cut" else b"\x00\xff\x00" * 40)
    with pytest.raises(CaloforgeError, match=name.partition(".")[0]) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_newer_schema_and_wrong_size_are_refused(trained: Path, tmp_path: Path) -> None:
    model, recipe, provenance = load_checkpoint(trained)
    save_checkpoint(tmp_path, model, recipe, provenance)
    noted = json.loads((tmp_path / "provenance.json").read_text())
    (tmp_path / "provenance.json").write_text(json.dumps({**noted, "schema": 2}))
    with pytest.raises(CaloforgeError, match="newer"):
        load_checkpoint(tmp_path)
    (tmp_path / "provenance.json").write_text(json.dumps(noted))
    text = (tmp_path / "recipe.yaml").read_text()
    (tmp_path / "recipe.yaml").write_text(text.replace("hidden: 12", "hidden: 13"))
    with pytest.raises(CaloforgeError, match="does not fit its recipe"):
        load_checkpoint(tmp_path)


def test_not_a_checkpoint(tmp_path: Path, tiny: Any) -> None:
    with pytest.raises(CaloforgeError, match="no checkpoint"):
        load_checkpoint(tmp_path / "nowhere")
