"""Detectors as JSON, complete, with a schema number."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from caloforge.detectors.construction import Construction, Material, Plate
from caloforge.detectors.detector import Detector
from caloforge.detectors.layer import CartesianLayer, CylindricalLayer, Layer
from caloforge.errors import CaloforgeError
from caloforge.registry import nearest

SCHEMA = 1
_KINDS: dict[str, type[CylindricalLayer] | type[CartesianLayer]] = {
    "cylindrical": CylindricalLayer,
    "cartesian": CartesianLayer,
}


def to_json(detector: Detector) -> str:
    """The detector as JSON text; `from_json` gives the same detector back, to the last bit."""
    document = {
        "schema": SCHEMA,
        "name": detector.name,
        "particle": detector.particle,
        "threshold_mev": detector.threshold_mev,
        "calibration": detector.calibration,
        "symmetry": detector.symmetry,
        "layers": [
            {"kind": "cylindrical" if isinstance(layer, CylindricalLayer) else "cartesian"}
            | {field.name: getattr(layer, field.name) for field in fields(layer)}
            for layer in detector.layers
        ],
    }
    if detector.construction is not None:
        document["construction"] = asdict(detector.construction)
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str, source: str = "The detector") -> Detector:
    """A detector from JSON text; `source` names it in errors.

    Raises CaloforgeError for text that is no JSON, a newer schema, unknown or missing keys and wrong types.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CaloforgeError(f"{source} is no JSON ({error}); write one with `to_json`.") from error
    if not isinstance(document, dict):
        raise CaloforgeError(f"{source} is a JSON {type(document).__name__}, but an object with 'layers' is expected.")
    document = dict(document)
    schema = document.pop("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise CaloforgeError(f"{source} has schema {schema}, but this version reads up to {SCHEMA}; update caloforge.")
    layers = document.pop("layers", None)
    if not isinstance(layers, list):
        raise CaloforgeError(f"{source} has no list 'layers'; describe each layer's kind and edges there.")
    inside = source[0].lower() + source[1:]
    built = tuple(_layer(layer, f"Layer {i} of {inside}") for i, layer in enumerate(layers))
    parts: dict[str, Any] = {"layers": built}
    if document.get("construction") is not None:
        parts["construction"] = _construction(document["construction"], f"The construction of {inside}")
    document = {key: tuple(value) if isinstance(value, list) else value for key, value in document.items()}
    detector: Detector = _build(Detector, document | parts, source)
    return detector


def _construction(document: Any, source: str) -> Construction:
    if not isinstance(document, dict) or not isinstance(document.get("plates"), list):
        raise CaloforgeError(f"{source} needs a list 'plates', each with its material and thickness_mm.")
    inside = source[0].lower() + source[1:]
    listed = {
        key: tuple(
            _build(kind, part, f"Part {i} of '{key}' of {inside}") for i, part in enumerate(document.get(key, ()))
        )
        for key, kind in (("plates", Plate), ("materials", Material))
    }
    construction: Construction = _build(Construction, document | listed, source)
    return construction


def _layer(document: Any, source: str) -> Layer:
    if not isinstance(document, dict) or document.get("kind") not in _KINDS:
        raise CaloforgeError(f"{source} needs a \"kind\", either 'cylindrical' or 'cartesian'.")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in document.items() if key != "kind"}
    layer: Layer = _build(_KINDS[document["kind"]], values, source)
    return layer


def _build(kind: Any, values: Any, source: str) -> Any:
    names = [field.name for field in fields(kind)]
    if not isinstance(values, dict):
        raise CaloforgeError(f"{source} is {values!r}, but an object with {', '.join(names)} is expected.")
    for key in values:
        if key not in names:
            close = nearest(key, names)
            raise CaloforgeError(f"{source} has the unknown key '{key}' (known: {', '.join(names)}).{close}")
    try:
        return kind(**values)
    except TypeError as error:
        raise CaloforgeError(f"{source} has a missing key or a wrong type ({error}).") from error
    except ValueError as error:
        raise CaloforgeError(f"{source} has a value of the wrong type ({error}).") from error
