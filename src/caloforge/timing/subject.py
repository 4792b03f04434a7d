"""What a user names as the subject of a benchmark, as the document from which processes take it up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from caloforge.errors import CaloforgeError
from caloforge.files import file_sha256
from caloforge.timing.decoder import parse_widths


def of_decoder(text: str) -> dict[str, Any]:
    """The subject of --decoder LATENTxHIDDENx...xOUT."""
    return {"kind": "decoder", "widths": parse_widths(text)}


def of_checkpoint(text: str) -> dict[str, Any]:
    """The subject of a checkpoint, by folder or by the name of one that comes along, and the hash of its weights.

    Raises CaloforgeError where there are none.
    """
    from caloforge.models.pretrained import checkpoint_folder

    folder = checkpoint_folder(text).resolve()
    try:
        digest = file_sha256(folder / "weights.safetensors")
    except OSError as error:
        raise CaloforgeError(
            f"{folder} has no weights.safetensors ({error.strerror}), expected a checkpoint; name a folder that "
            "`caloforge train` made, or a model that comes along."
        ) from error
    return {"kind": "checkpoint", "folder": str(folder), "weights_sha256": digest}


def geant4_time(path: Path) -> float:
    """Geant4's mean time for one shower in seconds, as a file of `caloforge simulate` says it.

    Raises CaloforgeError where the file does not.
    """
    from caloforge.simulation.produce import sidecar

    beside = sidecar(path)
    if not (path.is_file() or beside.is_file()):
        raise CaloforgeError(
            f"--geant4-file {path} is no file; give one that `caloforge simulate` wrote, or the time with "
            "--geant4-seconds."
        )
    try:
        seconds = float(json.loads(beside.read_text(encoding="utf-8"))["cpu_seconds"]["mean_per_shower"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise CaloforgeError(
            f"{beside} does not say how long Geant4 took ({why}); give a file that `caloforge simulate` wrote, or "
            "the time with --geant4-seconds."
        ) from error
    return seconds
