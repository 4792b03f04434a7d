"""File formats: one small file each, found by the names of a file's datasets."""

from caloforge.showers.formats import calochallenge, calogan, getting_high, par04
from caloforge.showers.formats.base import FORMATS, Format

__all__ = ["FORMATS", "Format", "calochallenge", "calogan", "getting_high", "par04"]
