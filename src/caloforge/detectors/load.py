"""A detector from whatever a user names: a preset, a JSON file, a binning XML."""

from __future__ import annotations

from pathlib import Path

from caloforge.detectors.detector import Detector
from caloforge.detectors.presets import PRESETS, preset
from caloforge.detectors.text import from_json
from caloforge.detectors.xml import read_xml
from caloforge.errors import CaloforgeError
from caloforge.registry import nearest


def load_detector(name_or_path: str | Path) -> Detector:
    """A preset by name, or the detector of a `.json` or binning `.xml` file.

    An XML whose grid is a preset's gives the preset, which knows the depths and the threshold that XML cannot say.

    Raises CaloforgeError for names that are neither, and for files that hold no detector.
    """
    name = str(name_or_path)
    if name in PRESETS:
        return preset(name)
    path = Path(name_or_path)
    if not path.is_file():
        raise CaloforgeError(
            f"'{name}' is neither a preset detector ({', '.join(PRESETS)}) nor a file.{nearest(name, list(PRESETS))}"
        )
    if path.suffix.lower() == ".xml":
        detector = read_xml(path)
        return next((preset(known) for known in PRESETS if preset(known).same_grid(detector)), detector)
    try:
        return from_json(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CaloforgeError(f"{path} cannot be read as a detector ({error}); give JSON or a binning XML.") from error
