"""Memory of reading a large file: CaloChallenge's ds3, 40,500 voxels a shower, 16 GB when read.

A file of random sparse showers in the ds3 grid is written (100,000 showers; 1,500 with --quick). Two processes then
work on it: one trains the flow of its layer energies for an epoch, reading every shower, and one judges the file
against itself (protocol caloforge-1). The peak resident memory of each counts, as the operating system accounts for it.
There is no peer here: the goal is a bound.

    python benchmarks/streaming_memory.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import Goals, quick, setting

from caloforge.detectors import preset
from caloforge.showers import Showers, ShowerWriter

BOUND_MIB, SHOWERS, QUICK_SHOWERS, CHUNK = 4096.0, 100_000, 1_500, 500
RECIPE = """\
schema: 1
name: streaming
detector: ds3
data: {validation_fraction: 0.01}
model:
  family: caloflow
  energies: {blocks: 2, hidden: 16, layers: 1, bins: 4}
  voxels: {blocks: 1, hidden: 1, layers: 1, bins: 2}
  beta: 2.0
stages:
  - {name: energies, factor: energies, batch_size: 500, training: {epochs: 1, threads: 1, tensorboard: false}}
"""


def write(path: Path, n: int) -> float:
    """Random showers of 1 to 1000 GeV with a tenth of the voxels hit; their size in GB when read."""
    detector, rng = preset("ds3"), np.random.default_rng(0)
    with ShowerWriter(path, detector) as writer:
        for first in range(0, n, CHUNK):
            rows = min(CHUNK, n - first)
            energy = (1e3 * 1e3 ** rng.random(rows)).astype(np.float32)
            deposits = rng.random((rows, detector.n_voxels), dtype=np.float32)
            deposits[deposits < 0.9] = 0
            deposits[deposits > 0] = np.float32(0.95)  # equal values keep the file small and its reading honest
            deposits *= (energy / deposits.sum(axis=1))[:, None]
            writer.append(Showers(energy, deposits, detector))
    return n * detector.n_voxels * 4 / 1e9


def peak_mib(arguments: list[str]) -> tuple[float, float]:
    """Peak resident memory in MiB and seconds of one command."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "caloforge", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"caloforge {' '.join(arguments)} failed")
    return usage.ru_maxrss / 1024, time.perf_counter() - began


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    n = QUICK_SHOWERS if quick(__doc__) else SHOWERS
    print(setting(("caloforge", "torch", "h5py")))
    goals = Goals("streaming_memory")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        file, recipe = folder / "showers.hdf5", folder / "recipe.yaml"
        size = write(file, n)
        print(f"{n:,} showers, {size:.2f} GB when read, {file.stat().st_size / 1e9:.2f} GB on disk")
        recipe.write_text(RECIPE)
        runs = {
            "training": ["train", str(recipe), "--data", str(file), "--out", str(folder / "run"), "--no-preview",
                         "--quiet"],
            "judging": ["evaluate", "--reference", str(file), "--generated", str(file), "--protocol", "caloforge-1",
                        "--out", str(folder / "judged")],
        }  # fmt: skip
        for name, arguments in runs.items():
            peak, seconds = peak_mib(arguments)
            print(f"{name}: {peak:.0f} MiB at most, {seconds:.0f} s")
            goals.at_most(f"MiB of {name} on {size:.1f} GB", peak, BOUND_MIB)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
