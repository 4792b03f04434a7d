"""Features and histograms of the CaloChallenge's evaluation against a plain numpy transcription of its definitions.

Two samples of 20,000 ds2 showers (6,000 with --quick), made by repeating and jittering the 400 of the tests, are
compared as protocol 2024-07 does without its classifiers and PRDC: 407 histograms of features and voxels. The peer is
tests/observables/transcription.py in float64, from arrays in memory and from gzip files read by h5py; ours works on
what a file holds, float32, and also gives errors, chi2 and Wasserstein distances. Files are of two kinds: as caloforge
writes them (chunks of whole showers, shuffled bytes) and as most were written, in the chunks that h5py chooses.
Both sides may use every core; plain numpy uses one. A further goal bounds the anonymous memory of a process of its own.

FPD and KPD follow, at 30 features (the arrays of the golden numbers) and at the 362 of ds2's high-level vector, against
tests/evaluation/transcription_distances.py, with one thread on either side.

    python benchmarks/evaluation.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from distances import measure, recipe
from harness import Goals, clocked, quick, setting
from numpy.typing import NDArray

from caloforge.detectors import preset
from caloforge.evaluation.sample import Sample, Source
from caloforge.evaluation.separations import Binned, separations, voxel_edges
from caloforge.observables import BINNINGS, Comparison
from caloforge.showers import Showers, ShowerWriter, open_showers
from caloforge.threads import available_threads

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "observables"))

import transcription  # noqa: E402

SHOWERS, QUICK_SHOWERS = 20_000, 6_000
FROM_MEMORY, FROM_FILES, GROWTH_MIB, AGREEMENT = 10.0, 4.0, 32.0, 1e-6
DETECTOR = preset("ds2")
STAGES = ("features of the reference", "its voxels", "the generated sample", "histograms and distances")


def sample(n: int, seed: int) -> Showers:
    """n showers: those of the tests over and over, their voxels and energies moved by a few per cent."""
    with h5py.File(ROOT / "tests" / "data" / "golden" / "ds2_reference.hdf5") as file:
        known, energies = file["showers"][:], file["incident_energies"][:, 0]
    rng = np.random.default_rng(seed)
    deposits = np.empty((n, DETECTOR.n_voxels), dtype=np.float32)
    incident = np.empty(n)
    for start in range(0, n, len(known)):
        rows = min(len(known), n - start)
        scale = rng.normal(1.0, 0.02, (rows, 1))
        jitter = np.exp(0.1 * rng.standard_normal((rows, DETECTOR.n_voxels), dtype=np.float32))
        deposits[start : start + rows] = known[:rows] * jitter * scale
        incident[start : start + rows] = energies[:rows]
    return Showers(incident, deposits, DETECTOR)


def ours(reference: Source, generated: Source, stages: dict[str, float] | None = None) -> dict[str, Comparison]:
    """Every comparison by its name; the seconds of each stage are added to `stages`."""
    times = [time.perf_counter()]
    binning = BINNINGS["2023-11"]
    threshold = binning.threshold_mev(DETECTOR)
    one = Sample.gather("reference", reference, threshold_mev=threshold)
    times.append(time.perf_counter())
    edges = voxel_edges(one)
    first = Binned.of(one, edges).rows(slice(None))
    times.append(time.perf_counter())
    two = Sample.gather("generated", generated, threshold_mev=threshold, voxel_edges=edges)
    second = Binned.of(two, edges).rows(slice(None))
    times.append(time.perf_counter())
    bins = binning.edges(DETECTOR, one.features)
    found = separations(first, second, bins, edges, one)
    times.append(time.perf_counter())
    for name, seconds in zip(STAGES, np.diff(times), strict=True):
        if stages is not None:
            stages[name] = stages.get(name, 0.0) + float(seconds)
    return found


def peer(
    reference: tuple[NDArray[Any], NDArray[Any]], generated: tuple[NDArray[Any], NDArray[Any]]
) -> dict[str, float]:
    """Every separation power by its name, of deposits and energies in float64."""
    return transcription.separations(reference, generated, DETECTOR, DETECTOR.threshold_mev)


def read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Deposits and energies of a file in float64, as h5py reads them."""
    with h5py.File(path) as file:
        return file["showers"][:].astype(np.float64), file["incident_energies"][:, 0].astype(np.float64)


def write(folder: Path, name: str, showers: Showers) -> dict[str, Path]:
    """The same showers in both kinds of files."""
    paths = {"caloforge": folder / f"{name}.hdf5", "h5py": folder / f"{name}-auto.hdf5"}
    with ShowerWriter(paths["caloforge"], DETECTOR) as writer:
        writer.append(showers)
    with h5py.File(paths["h5py"], "w") as file:
        file.create_dataset("incident_energies", data=showers.incident_energy_mev[:, None], compression="gzip")
        file.create_dataset("showers", data=showers.deposits_mev, compression="gzip")
    return paths


def staged(reference: Callable[[], Source], generated: Callable[[], Source], repeats: int, label: str) -> float:
    """Median time of ours; prints the mean of every stage."""
    stages: dict[str, float] = {}
    _, found = clocked(lambda: ours(reference(), generated(), stages), repeats)
    print(f"{label}: {found:.2f} s ({', '.join(f'{name} {s / repeats:.2f}' for name, s in stages.items())})")
    return found


def anonymous_mib() -> float:
    """Memory of this process that belongs to no file, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this system does not tell anonymous memory")


def child(reference: str, generated: str, limit: int) -> None:
    """Print the peak of the anonymous memory while the first `limit` showers of two files are compared."""
    peak, done = anonymous_mib(), threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, anonymous_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    one = Sample.gather("reference", open_showers(reference), limit)
    edges = voxel_edges(one)
    two = Sample.gather("generated", open_showers(generated), limit, voxel_edges=edges)
    bins = BINNINGS["2023-11"].edges(DETECTOR, one.features)
    separations(*(Binned.of(s, edges).rows(slice(None)) for s in (one, two)), bins, edges, one)
    done.set()
    watcher.join()
    print(json.dumps(peak))


def peak_mib(paths: list[Path], limit: int) -> float:
    """The peak of a process of its own."""
    command = [sys.executable, __file__, "--child", *map(str, paths), str(limit)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def memory(goals: Goals, reference: Showers, generated: Showers, repeats: int) -> None:
    """Both sides from memory, and whether they agree."""
    ours(reference[:50], generated[:50])
    fast = staged(lambda: reference, lambda: generated, repeats, "ours, from memory")
    one, two = ((s.deposits_mev.astype(np.float64), s.incident_energy_mev) for s in (reference, generated))
    expected, plain = clocked(lambda: peer(one, two))
    print(f"numpy transcription, float64, from memory: {plain:.2f} s")
    goals.at_least("times faster from memory", plain / fast, FROM_MEMORY)
    found = ours(reference, generated)
    worst = max(abs(found[name].separation - value) / max(value, 1e-3) for name, value in expected.items())
    goals.at_most("largest relative difference of a separation power", worst, AGREEMENT)


def files(goals: Goals, one: Path, two: Path, kind: str, repeats: int) -> None:
    """Both sides from the same gzip files."""
    with h5py.File(one) as file:
        layout = f"{kind}'s chunks {file['showers'].chunks}, {one.stat().st_size / 1e6:.0f} MB a file"
    _, plain = clocked(lambda: peer(read(one), read(two)))
    fast = staged(lambda: open_showers(one), lambda: open_showers(two), repeats, f"ours, from gzip files ({layout})")
    print(f"numpy transcription, float64, from the same files: {plain:.2f} s")
    goals.at_least(f"times faster from gzip files with {kind}'s chunks", plain / fast, FROM_FILES)


def features_and_histograms(goals: Goals, fast: bool) -> None:
    """Measure, print, and add the goals."""
    n = QUICK_SHOWERS if fast else SHOWERS
    showers = [sample(n, 1), sample(n, 2)]
    print(
        f"2 x {n:,} ds2 showers, {2 * showers[0].deposits_mev.nbytes / 1e9:.2f} GB in float32; "
        f"ours on {available_threads()} threads, plain numpy as it comes"
    )
    memory(goals, showers[0], showers[1], 3)
    with tempfile.TemporaryDirectory() as text:
        written = [write(Path(text), name, one) for name, one in zip("ab", showers, strict=True)]
        showers.clear()
        for kind in ("caloforge", "h5py"):
            files(goals, written[0][kind], written[1][kind], kind, 3)
        peaks = [peak_mib([paths["h5py"] for paths in written], limit) for limit in (n // 3, n)]
    print(f"anonymous memory: {peaks[0]:.0f} MiB with 2 x {n // 3:,} showers, {peaks[1]:.0f} MiB with 2 x {n:,}")
    goals.at_most("MiB more with three times the showers", max(peaks[1] - peaks[0], 0.0), GROWTH_MIB)


def physics_distances(goals: Goals, fast: bool) -> None:
    """FPD and KPD at 30 and at 362 features."""
    showers = [sample(QUICK_SHOWERS if fast else SHOWERS, seed) for seed in (1, 2)]
    showers[1].deposits_mev[:] *= 1.05
    wide = [Sample.gather(str(index), one).features.vector() for index, one in enumerate(showers)]
    narrow = (recipe(1, 1.0, 0.0), recipe(2, 1.05, 0.02))
    measure(goals, [narrow, (wide[0], wide[1])], 5_000 if fast else 10_000)


PARTS: tuple[Callable[[Goals, bool], None], ...] = (features_and_histograms, physics_distances)
"""Each measures a part of the evaluation and adds its goals."""


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    fast = quick(__doc__)
    print(setting(("caloforge", "numpy", "numba", "h5py", "deflate")))
    goals = Goals("evaluation")
    for part in PARTS:
        part(goals, fast)
    return goals.finish()


if __name__ == "__main__":
    if "--child" in sys.argv:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        sys.exit(0)
    sys.exit(main())
