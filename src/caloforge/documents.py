"""JSON documents that say in `schema` which form they have; forms newer than this caloforge are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from caloforge.errors import CaloforgeError


def read_document(path: Path, newest: int, kind: str, remedy: str) -> dict[str, Any]:
    """The document in a file.

    kind: what it should be, e.g. "result of a benchmark". remedy: what to do where it is not.
    Raises CaloforgeError where it cannot be read, is no JSON object with a schema, or of one above `newest`.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = int(document["schema"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CaloforgeError(f"{path} is no {kind} ({said(error)}); {remedy}.") from error
    refuse_newer(str(path), schema, newest)
    return document


def refuse_newer(source: str, schema: int, newest: int, remedy: str = "update caloforge") -> None:
    """Raise CaloforgeError where a document's schema is above the newest that is known here; source: names it."""
    if schema > newest:
        raise CaloforgeError(
            f"{source} has schema {schema}, newer than {newest}, the newest that this caloforge reads; {remedy}."
        )


def said(error: Exception) -> str:
    """Why a document cannot be used, for the middle of a sentence."""
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return str((error.strerror if isinstance(error, OSError) else None) or error)
