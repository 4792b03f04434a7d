"""What the classifiers see of a sample, gathered in chunks into one contiguous table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from shutil import disk_usage

import numpy as np
import torch
from numpy.typing import NDArray

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.evaluation.official.networks import ResNet3D, image_shape, inputs_of, network, parameters_of
from caloforge.evaluation.official.settings import ClassifierSettings
from caloforge.evaluation.sample import CHUNK_ROWS, Sample, read, spans, thresholded
from caloforge.observables import high_level
from caloforge.observables.spill import SPILL_BYTES, scratch
from caloforge.showers import Showers
from caloforge.threads import in_order

Inputs = NDArray[np.float32]
Rows = NDArray[np.int64]
LARGEST = float(np.finfo(np.float32).max)


def classifier_inputs(sample: Sample, rows: Rows, settings: ClassifierSettings, out: Inputs | None = None) -> Inputs:
    """Inputs (rows, features) of a sample's showers in the order of `rows`, energies in MeV, in float32.

    low and resnet: [log10 E_inc, voxel / E_inc]; low-normed: [log10 E_inc, voxel / (E_layer + 1e-16),
    log10(E_layer + 1e-8)]; high: the high-level vector. out: where to put them. Raises CaloforgeError where an input is
    not finite. Source: CaloChallenge, arXiv 2410.21611.
    """
    found = np.empty((len(rows), inputs_of(sample.detector, settings)), np.float32) if out is None else out
    if settings.kind == "high" and settings.thresholded:
        for start in range(0, len(rows), CHUNK_ROWS):
            some = slice(start, start + CHUNK_ROWS)
            found[some] = sample.features[rows[some]].vector(settings.vector)
            _check(found[some], sample, settings)
        return found
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]

    def work(span: tuple[int, int]) -> tuple[Rows, Inputs]:
        first, last = np.searchsorted(ordered, span)
        place = order[first:last]
        showers = read(sample.source, *span, threads=1)[rows[place] - span[0]]
        part = np.empty((len(place), found.shape[1]), np.float32)
        _fill(part, showers, sample, rows[place], settings)
        _check(part, sample, settings)
        return place, part

    wanted = (span for span in spans(sample.source) if np.ptp(np.searchsorted(ordered, span)))
    for place, part in in_order(work, wanted):
        found[place] = part
    return found


def _check(part: Inputs, sample: Sample, settings: ClassifierSettings) -> None:
    if not np.isfinite(part).all():
        raise CaloforgeError(
            f"The {sample.name} sample has inputs of the classifier '{settings.kind}' that are not finite, as where an "
            "incident energy is not positive; generate those showers again."
        )


def _fill(part: Inputs, showers: Showers, sample: Sample, rows: Rows, settings: ClassifierSettings) -> None:
    """Inputs of the showers in `rows` of a sample."""
    detector, threshold = sample.detector, sample.threshold_mev if settings.thresholded else 0.0
    energy = np.asarray(showers.incident_energy_mev, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if settings.kind == "high":
            part[:] = high_level(showers.deposits_mev, energy, detector, threshold).vector(settings.vector)
            return
        part[:, 0] = np.log10(energy)
        whole = settings.kind == "low-normed" and settings.normed == "official"
        voxels = np.asarray(showers.deposits_mev) if whole else thresholded(showers, threshold)
        if settings.kind != "low-normed":
            part[:, 1:] = voxels / energy[:, None]
            return
        features = sample.features[rows] if settings.thresholded else high_level(voxels, energy, detector, threshold)
        layers = features.layer_energy_mev
        for column, place in enumerate(detector.slices):
            shares = voxels[:, place] / (layers[:, column, None] + 1e-16)
            part[:, 1 + place.start : 1 + place.stop] = np.minimum(shares, LARGEST)
        part[:, 1 + detector.n_voxels :] = np.log10(layers + 1e-8)


def both_inputs(
    reference: Sample, generated: Sample, rows: tuple[Rows, Rows], settings: ClassifierSettings
) -> tuple[Inputs, NDArray[np.float32]]:
    """Inputs of the reference's showers and then the generated ones, and labels (1 for the reference), by `rows`.

    A table that would not fit into half of the memory that is free lies in a file of the temporary folder.
    """
    n = len(rows[0])
    shape = (n + len(rows[1]), inputs_of(reference.detector, settings))
    size, free = 4 * shape[0] * shape[1], free_bytes()
    table = scratch(shape, np.float32, size if free is None or size < free / 2 else SPILL_BYTES)
    classifier_inputs(reference, rows[0], settings, table[:n])
    classifier_inputs(generated, rows[1], settings, table[n:])
    labels = np.zeros(shape[0], np.float32)
    labels[:n] = 1.0
    return table, labels


def memory_needed(detector: Detector, settings: ClassifierSettings, showers: int) -> dict[str, int]:
    """Bytes that a training with `showers` of each class needs: {"inputs", "training", "total"}.

    inputs:   the table, which may lie in the temporary folder instead of in memory;
    training: weights, gradients and the optimiser's two moments, the best epoch's weights, and the activations of a
              batch, in memory in any case.
    """
    width = 8 if settings.precision == "float64" else 4
    with torch.device("meta"):
        module = network(detector, settings)
    if isinstance(module, ResNet3D):
        activations = _image_activations(image_shape(detector))
    else:
        activations = (2 * (settings.layers + 1) + 1) * settings.hidden
    inputs = inputs_of(detector, settings)
    training = width * (5 * parameters_of(module) + settings.batch * (2 * activations + 2 * inputs))
    table = 4 * 2 * showers * inputs
    return {"inputs": table, "training": training, "total": table + training}


def _image_activations(image: tuple[int, int, int]) -> int:
    """Values that a shower leaves in the ResNet, roughly: six of each block's, and the stem's."""
    halved = [-(-size // 2) for size in image]
    found = 4 * 32 * int(np.prod(halved))
    for planes in (32, 64, 64, 128):
        halved = [-(-size // 2) for size in halved]
        found += 12 * planes * int(np.prod(halved))
    return found


def check_memory(detector: Detector, settings: ClassifierSettings, showers: int) -> str | None:
    """A sentence where the inputs do not fit into half of the free memory and go to a file; None where they do.

    Raises CaloforgeError where even the training does not fit into memory or the file not onto the disk.
    """
    needed, free = memory_needed(detector, settings, showers), free_bytes()
    if free is None:
        return None
    if needed["training"] > free:
        raise CaloforgeError(
            f"The classifier '{settings.kind}' needs {needed['training'] / 1e9:.1f} GB to train and "
            f"{free / 1e9:.1f} GB are free; use a smaller batch or precision float32, or a machine with more memory."
        )
    if needed["inputs"] < free / 2:
        return None
    folder = Path(tempfile.gettempdir())
    disk = disk_usage(folder).free
    if needed["inputs"] > disk:
        raise CaloforgeError(
            f"The inputs of the classifier '{settings.kind}' need {needed['inputs'] / 1e9:.1f} GB, and there are "
            f"{free / 1e9:.1f} GB of memory and {disk / 1e9:.1f} GB in {folder} free; free some space, set TMPDIR to "
            "another folder, or use fewer showers."
        )
    return (
        f"The inputs of the classifier '{settings.kind}' ({needed['inputs'] / 1e9:.1f} GB) lie in {folder}: "
        f"only {free / 1e9:.1f} GB of memory are free."
    )


def free_bytes() -> int | None:
    """Memory that this process may still take, in bytes (of the machine, or what its control group leaves); None where
    the system does not say."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(1024 * int(line.split()[1]))
    except OSError:
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
        if limit != "max":
            found.append(max(0, int(limit) - used))
    except (OSError, ValueError):
        pass
    return min(found, default=None)
