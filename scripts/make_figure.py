"""Make the README's figure: what comes along, beside Geant4 showers that no training has seen.

    python scripts/make_figure.py

Generates as many showers as are held out with the teacher and the student that come along, and draws chosen
histograms into docs/images/calogan.png.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from caloforge.evaluation.evaluate import judgement_of
from caloforge.evaluation.plots import histograms
from caloforge.files import replaced
from caloforge.models.generate import generate
from caloforge.models.pretrained import pretrained
from caloforge.showers import open_showers
from caloforge.showers.energies import energies_like

ROOT = Path(__file__).parents[1]
DATA = ROOT / "src" / "caloforge" / "data"
SHOWN = [
    "Etot / Einc",
    "E layer 0",
    "E layer 2",
    "voxel distribution",
    "Sparsity layer 0",
    "EC y layer 0",
    "Width y layer 1",
    "Width r layer 0",
]


def main() -> None:
    """Draw and write."""
    held_out = DATA / "calogan_positrons_heldout.hdf5"
    with tempfile.TemporaryDirectory() as folder:
        samples = {}
        for name, checkpoint in sorted(pretrained().items(), reverse=True):
            path = Path(folder) / f"{name}.hdf5"
            generate(checkpoint, energies_like(held_out), path, mirrors=True)
            samples[name.removeprefix("calogan-")] = open_showers(path)
        judgement = judgement_of(open_showers(held_out), samples, None, "caloforge-1")
        with replaced(ROOT / "docs" / "images" / "calogan.png") as beside:
            beside.write_bytes(histograms(judgement, SHOWN))


if __name__ == "__main__":
    main()
