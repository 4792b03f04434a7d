"""A plain numpy transcription of the CaloChallenge's definitions, the outside reference.

Nothing here is shared with the package but the detector: features layer by layer as sums over the bin centres,
histograms by np.histogram, the separation power as in eq. 15 of arXiv 2009.03796, in the deposits' precision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CartesianLayer, Detector

Array = NDArray[np.floating]
TINY = 1e-16


def label(name: str) -> str:
    digits = name[len(name.rstrip("0123456789")) :]
    return digits or name


def features(deposits: Array, energy: Array, detector: Detector, threshold: float) -> dict[str, Array]:
    """Every feature (N,) by its official name, of deposits (N, V) and energies (N,)."""
    showers = deposits.copy()
    showers[showers < threshold] = 0.0
    cartesian = isinstance(detector.layers[0], CartesianLayer)
    first, second = ("x", "y") if cartesian else ("Eta", "Phi")
    found: dict[str, Array] = {"Etot / Einc": showers.sum(axis=-1) / energy}
    for layer, part in zip(detector.layers, detector.slices, strict=True):
        e, name = showers[:, part], label(layer.name)
        total = e.sum(axis=-1)
        found[f"E layer {name}"] = total
        if cartesian or layer.shape[0] > 1:
            for axis, centres in ((first, layer.x_mm), (second, layer.y_mm)):
                mean = (centres * e).sum(axis=-1) / (total + TINY)
                square = (centres * centres * e).sum(axis=-1) / (total + TINY)
                found[f"EC {axis} layer {name}"] = mean
                found[f"Width {axis} layer {name}"] = np.sqrt(np.clip(square - mean**2, 0.0, None))
        mean = (layer.r_mm * e).sum(axis=-1) / (total + TINY)
        square = (layer.r_mm * layer.r_mm * e).sum(axis=-1) / (total + TINY)
        found[f"EC r layer {name}"] = mean
        found[f"Width r layer {name}"] = np.sqrt(np.clip(square - mean**2, 0.0, None))
        found[f"Sparsity layer {name}"] = 1.0 - (e > 0).mean(axis=-1)
    return found


def vector(found: dict[str, Array], energy: Array, detector: Detector) -> Array:
    """The high-level vector (N, D) from the features."""
    names = [label(layer.name) for layer in detector.layers]

    def of(kind: str, scale: float) -> list[Array]:
        return [found[f"{kind} layer {name}"] / scale for name in names if f"{kind} layer {name}" in found]

    first, second = ("x", "y") if isinstance(detector.layers[0], CartesianLayer) else ("Eta", "Phi")
    columns = [np.log10(energy), *(np.log10(found[f"E layer {name}"] + 1e-8) for name in names)]
    for kind in (f"EC {first}", f"EC {second}", f"Width {first}", f"Width {second}"):
        columns += of(kind, 100.0)
    columns += [np.log10(found["Etot / Einc"] * energy + 1e-8), *of("Sparsity", 1.0)]
    return np.stack([*columns, *of("EC r", 100.0), *of("Width r", 100.0)], axis=1)


def edges(name: str, reference: Array, detector: Detector, threshold: float) -> Array:
    """The official edges of a feature; `reference` are its values, `voxel distribution` those of the voxels."""
    kind, _, layer = name.partition(" layer ")
    small, deep, outer = detector.name in ("ds2", "ds3"), layer in ("12", "13", "14"), layer in ("12", "13")
    if kind == "Etot / Einc":
        return np.linspace(0.5, 1.5, 101)
    if kind in ("E", "voxel distribution"):
        found = np.logspace(np.log10(threshold), np.log10(reference.max()), 40 if kind == "E" else 50)
        found[-1] = reference.max()
        return found
    if kind == "Sparsity":
        return np.linspace(0.0, 1.0, 21)
    if kind == "EC r":
        return np.linspace(0.0, 42.0 if small else 1500.0 if deep else 500.0, 101)
    if kind == "Width r":
        return np.linspace(0.0, 20.0 if small else 1500.0 if deep else 500.0, 101)
    if kind.startswith("EC"):
        reach = 30.0 if small else 500.0 if outer else 100.0
        return np.linspace(-reach, reach, 101)
    return np.linspace(0.0, 30.0 if small else 400.0 if outer else 100.0, 101)


def separation(reference: Array, generated: Array, bins: Array) -> float:
    """Separation power of two arrays of values in the given bins; what lies outside is ignored."""
    with np.errstate(invalid="ignore"):
        one, two = (
            np.histogram(values, bins=bins, density=True)[0] * np.diff(bins) for values in (reference, generated)
        )
    return float(0.5 * np.sum((one - two) ** 2 / (one + two + TINY)))


def separations(
    reference: tuple[Array, Array], generated: tuple[Array, Array], detector: Detector, threshold: float
) -> dict[str, float]:
    """Every separation power by its official name; a sample is (deposits (N, V), energies (N,))."""
    one, two = (features(deposits, energy, detector, threshold) for deposits, energy in (reference, generated))
    found = {
        name: separation(values, two[name], edges(name, values, detector, threshold)) for name, values in one.items()
    }
    a, b = (deposits[deposits >= threshold] for deposits, _ in (reference, generated))
    found["voxel distribution"] = separation(a, b, edges("voxel distribution", a, detector, threshold))
    return found
