"""CaloChallenge's binning XML: the part of a cylindrical detector that it can say."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from caloforge.detectors.detector import Detector
from caloforge.detectors.layer import CylindricalLayer
from caloforge.errors import CaloforgeError
from caloforge.files import write_text

_PIDS = {"photon": 22, "electron": 11, "e-": 11, "positron": -11, "e+": -11, "pion": 211}


def read_xml(path: Path | str, particle: str | None = None, threshold_mev: float = 0.0) -> Detector:
    """The detector of one particle of a binning file (the only one by default); layers with `r_edges="0"` are left out.

    XML says nothing of depths and thresholds: depths are None and the threshold is the one given.

    Raises CaloforgeError for files that cannot be read, are no binning XML or hold other particles.
    Source: CaloChallenge, code/XMLHandler.py.
    """
    path = Path(path)
    try:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CaloforgeError(f"{path} cannot be read ({error}); give the path of a binning XML.") from error
    except ElementTree.ParseError as error:
        raise CaloforgeError(f"{path} is no XML ({error}); give a CaloChallenge binning file.") from error
    bins = {element.get("name", ""): element for element in root.iter("Bin")}
    if not bins:
        raise CaloforgeError(f"{path} holds no <Bin>; give a CaloChallenge binning file.")
    if particle is None and len(bins) > 1:
        raise CaloforgeError(f"{path} holds several particles ({', '.join(bins)}); name one of them.")
    chosen = next(iter(bins)) if particle is None else particle
    if chosen not in bins:
        raise CaloforgeError(f"{path} holds no particle '{chosen}', only {', '.join(bins)}; name one of them.")
    layers: list[CylindricalLayer] = []
    for element in bins[chosen].iter("Layer"):
        try:
            edges = tuple(float(edge) for edge in element.attrib["r_edges"].split(","))
            n_alpha = int(element.attrib["n_bin_alpha"])
        except (KeyError, ValueError) as error:
            raise CaloforgeError(
                f"{path} has a <Layer> whose r_edges or n_bin_alpha is missing or no number ({error}); correct it."
            ) from error
        if len(edges) > 1:
            layers.append(CylindricalLayer(element.get("id", str(len(layers))), edges, n_alpha))
    return Detector(path.stem, tuple(layers), threshold_mev, particle=chosen)


def write_xml(detector: Detector, path: Path | str) -> None:
    """Write a cylindrical detector as a binning file that the official tools read; depths and threshold are lost.

    Layers named by numbers keep them as ids, with empty layers (`r_edges="0"`) between, as in the official files.

    Raises CaloforgeError for cartesian layers and where the file cannot be written.
    """
    by_id: dict[int, CylindricalLayer] = {}
    names = [layer.name for layer in detector.layers]
    numbered = all(name.isdecimal() for name in names) and [int(n) for n in names] == sorted({int(n) for n in names})
    for index, layer in enumerate(detector.layers):
        if not isinstance(layer, CylindricalLayer):
            raise CaloforgeError(
                f"Layer '{layer.name}' of detector '{detector.name}' is cartesian, which binning XML cannot say; "
                "write it as JSON."
            )
        by_id[int(layer.name) if numbered else index] = layer
    root = ElementTree.Element("Bins")
    pid = {"pid": str(_PIDS[detector.particle])} if detector.particle in _PIDS else {}
    element = ElementTree.SubElement(root, "Bin", pid | {"name": detector.particle or detector.name})
    for index in range(max(by_id) + 1):
        edges = by_id[index].r_edges_mm if index in by_id else (0.0,)
        n_alpha = by_id[index].n_alpha if index in by_id else 1
        text = ",".join(str(int(edge)) if edge == int(edge) else repr(edge) for edge in edges)
        ElementTree.SubElement(element, "Layer", {"id": str(index), "r_edges": text, "n_bin_alpha": str(n_alpha)})
    ElementTree.indent(root, "   ")
    write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")
