"""The models that come with caloforge: checkpoints by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from caloforge.errors import CaloforgeError


def pretrained() -> dict[str, Path]:
    """Name and checkpoint folder of every model in the package; each has a model card, README.md."""
    folder = Path(str(files("caloforge"))) / "pretrained"
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path for path in found if (path / "weights.safetensors").is_file()}


def checkpoint_folder(text: Path | str) -> Path:
    """The folder that a user means: a path, or the name of a model that comes with caloforge.

    Raises CaloforgeError where it is neither.
    """
    path, known = Path(text), pretrained()
    if path.exists():
        return path
    if str(text) in known:
        return known[str(text)]
    raise CaloforgeError(
        f"{text} is no folder and no model that comes with caloforge ({', '.join(known) or 'there is none'}); "
        "give the folder of a checkpoint."
    )
