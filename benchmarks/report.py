"""The report on one core: seconds and size of the page of ds2 (45 layers, three samples) and of calogan (five samples).

All parts are there; the showers are those of tests and package, repeated with noise. The time is that of `write_page`
alone: HTML, Markdown and every figure as PDF.

    python benchmarks/report.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from harness import Goals, quick, seconds, setting, spread

from caloforge.detectors import preset
from caloforge.evaluation.arrays import Arrays
from caloforge.evaluation.page import write_page
from caloforge.showers import Showers, open_showers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "evaluation" / "page"))

from pages import judgement

TESTS = Path(__file__).parents[1] / "tests"
SECONDS = {"ds2": 10.0, "calogan": 4.0}
MEGABYTES = 5.0


def noisy(showers: Showers, size: float, seed: int) -> Showers:
    """Deposits times a normal number about 1, none negative."""
    rng = np.random.default_rng(seed)
    deposits = showers.deposits_mev * rng.normal(1.0, size, showers.deposits_mev.shape).clip(0.0)
    return Showers(showers.incident_energy_mev, deposits.astype(np.float32), showers.detector)


def cases() -> dict[str, tuple[dict[str, Any], Arrays]]:
    """Results and arrays of both detectors."""
    golden = TESTS / "data" / "golden"
    reference, generated = (
        open_showers(golden / f"ds2_{side}.hdf5", preset("ds2")).read() for side in ("reference", "generated")
    )
    others = {
        "generated": generated,
        "naive: nearest": noisy(generated, 0.3, 1),
        "naive: diagonal": noisy(generated, 1, 2),
    }
    data = files("caloforge") / "data"
    held, known = (open_showers(data / f"calogan_positrons_{part}.hdf5").read() for part in ("heldout", "training"))
    models = {
        name: noisy(known[:1000], 0.1 * k, k) for k, name in enumerate(("teacher", "student", "own", "naive: a"), 1)
    }
    return {
        "ds2": judgement(reference, others, noisy(reference, 0.01, 3)),
        "calogan": judgement(held[:1000], models, known[500:1500]),
    }


def main() -> int:
    """Print seconds and megabytes, and whether the goals are met."""
    repeats = 3 if quick(__doc__) else 9
    print(setting(("numpy",)))
    goals = Goals("report")
    with tempfile.TemporaryDirectory() as folder:
        for name, (results, arrays) in cases().items():
            out = Path(folder) / name
            found = seconds({name: lambda r=results, a=arrays, out=out: write_page(r, a, out)}, repeats)[name]
            size = (out / "report.html").stat().st_size / 1e6
            drawn = len(list((out / "figures").iterdir()))
            print(f"{name}: {spread(found)}, report.html {size:.2f} MB, {drawn} PDF files")
            goals.at_most(f"seconds of the page of {name}", statistics.median(found), SECONDS[name])
            goals.at_most(f"megabytes of the page of {name}", size, MEGABYTES)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
