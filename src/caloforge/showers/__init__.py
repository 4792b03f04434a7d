"""Showers: in memory, on disk, and the formats of public data sets."""

from caloforge.showers.checks import UnitWarning
from caloforge.showers.container import Showers
from caloforge.showers.formats import FORMATS, Format
from caloforge.showers.shuffle import shuffled_chunks
from caloforge.showers.store import ShowerFile, open_showers
from caloforge.showers.writer import ShowerWriter, write_showers

__all__ = [
    "FORMATS",
    "Format",
    "ShowerFile",
    "ShowerWriter",
    "Showers",
    "UnitWarning",
    "open_showers",
    "shuffled_chunks",
    "write_showers",
]
