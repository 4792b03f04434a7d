"""Detectors: layers, voxels, presets, and how they are written and read."""

from caloforge.detectors.construction import Construction, Material, Plate
from caloforge.detectors.detector import Detector
from caloforge.detectors.layer import CartesianLayer, CylindricalLayer, Layer
from caloforge.detectors.load import load_detector
from caloforge.detectors.presets import PRESETS, fits, preset
from caloforge.detectors.text import from_json, to_json
from caloforge.detectors.xml import read_xml, write_xml

__all__ = [
    "PRESETS",
    "CartesianLayer",
    "Construction",
    "CylindricalLayer",
    "Detector",
    "Layer",
    "Material",
    "Plate",
    "fits",
    "from_json",
    "load_detector",
    "preset",
    "read_xml",
    "to_json",
    "write_xml",
]
