"""Bins of every observable: the official ones, those of protocol caloforge-1, and quantiles for all else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import PRESETS, Detector, preset
from caloforge.errors import CaloforgeError
from caloforge.observables.features import Features
from caloforge.registry import Registry

Array = NDArray[np.floating]
Edges = NDArray[np.float64]
N_BINS = 100
MAX_DISCRETE = 20
DEEP_LAYERS = {"12", "13", "14"}


@lru_cache
def known_as(detector: Detector) -> str:
    """Name of the preset with the same voxels as the detector (names, depths, threshold ignored), or ''."""
    for name in PRESETS:
        if preset(name).same_grid(detector):
            return name
    return ""


def energy_edges(threshold_mev: float, largest_mev: float, n_edges: int) -> Edges:
    """Logarithmic edges from the threshold to the reference's largest value, which the last bin contains.

    A largest value below the threshold gets one decade above it, so that a histogram is empty, not missing.
    """
    lowest = threshold_mev if threshold_mev > 0 else 1e-6
    largest = float(largest_mev) if largest_mev > lowest else lowest * 10
    edges = np.logspace(np.log10(lowest), np.log10(largest), n_edges)
    edges[-1] = largest
    return edges


def _span(low: float, high: float) -> Edges:
    return np.linspace(low, high, N_BINS + 1)


def _challenge(kind: str, layer: str, small: bool) -> Edges | None:
    deep = layer in DEEP_LAYERS
    if kind in ("EC Eta", "EC Phi"):
        reach = 30.0 if small else 500.0 if layer in ("12", "13") else 100.0
        return _span(-reach, reach)
    if kind in ("Width Eta", "Width Phi"):
        return _span(0.0, 30.0 if small else 400.0 if layer in ("12", "13") else 100.0)
    if kind == "EC r":
        return _span(0.0, 42.0 if small else 1500.0 if deep else 500.0)
    if kind == "Width r":
        return _span(0.0, 20.0 if small else 1500.0 if deep else 500.0)
    return None


def _calogan(kind: str) -> Edges | None:
    if kind in ("EC x", "EC y"):
        return _span(-60.0, 60.0)
    if kind in ("Width x", "Width y"):
        return _span(0.0, 120.0)
    if kind in ("EC r", "Width r"):
        return _span(0.0, 240.0)
    return None


def _quantiles(values: Array) -> Edges:
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.001, 0.999]) if len(finite) else (0.0, 1.0)
    if not high > low:
        low, high = low - 0.5, low + 0.5
    return _span(float(low), float(high))


@dataclass(frozen=True)
class Binning:
    """Which observables a protocol draws, above which threshold and in which bins.

    name:       of the protocol's histograms.
    thresholds: pairs of a preset and the threshold in MeV that takes the place of the detector's own.
    absent:     kinds of observables that the protocol does not know, as 'EC r'.
    official:   whether it is one of the CaloChallenge's, defined on its detectors alone.
    """

    name: str
    thresholds: tuple[tuple[str, float], ...] = ()
    absent: tuple[str, ...] = ()
    official: bool = False

    def threshold_mev(self, detector: Detector) -> float:
        """A voxel below it (strictly) counts as zero in the histograms."""
        return dict(self.thresholds).get(known_as(detector), detector.threshold_mev)

    def edges(self, detector: Detector, reference: Features, training: Features | None = None) -> dict[str, Edges]:
        """Edges for every observable of `Features.table()` that the protocol knows, by its name.

        Official bins on the CaloChallenge detectors, those of protocol caloforge-1 on calogan; everywhere sparsity in
        20 bins and layer energies in 39 logarithmic bins up to the reference's maximum (where a layer never reaches the
        threshold, up to the largest incident energy); the rest has 100 bins between the 0.1 % and 99.9 % quantiles of
        the Geant4 training showers (of the reference where there are none).
        Raises CaloforgeError where an official binning is asked for another detector.
        """
        known = known_as(detector)
        challenge = known.startswith("ds")
        if self.official and not challenge:
            raise CaloforgeError(
                f"The histograms '{self.name}' are defined for the detectors of the CaloChallenge, but the showers are "
                f"of '{detector.name}'; use 'caloforge-1'."
            )
        quantile_source = (training or reference).table()
        edges: dict[str, Edges] = {}
        for name, values in reference.table().items():
            kind, _, layer = name.partition(" layer ")
            found: Edges | None = None
            if kind in self.absent:
                continue
            if kind == "E":
                largest = float(values[np.isfinite(values)].max(initial=0.0))
                if largest <= reference.threshold_mev:
                    largest = float(reference.incident_energy_mev.max(initial=0.0))
                found = energy_edges(reference.threshold_mev, largest, 40)
            elif kind == "Sparsity":
                found = np.linspace(0.0, 1.0, 21)
            elif kind == "Etot / Einc" and challenge:
                found = np.linspace(0.5, 1.5, 101)
            elif kind == "Etot / Einc" and known == "calogan":
                found = np.linspace(0.95, 1.005, 111)
            elif challenge:
                found = _challenge(kind, layer, known in ("ds2", "ds3"))
            elif known == "calogan":
                found = _calogan(kind)
            edges[name] = _quantiles(quantile_source[name]) if found is None else found
        return edges


BINNINGS: Registry[Binning] = Registry("binning", "caloforge.binnings")
"""Histograms of every protocol by name; the official ones have changed over the years."""
_OLD_THRESHOLDS = (("ds1-photons", 10.0), ("ds1-pions", 10.0))
BINNINGS.add("2022-10", Binning("2022-10", _OLD_THRESHOLDS, ("Sparsity", "EC r", "Width r"), official=True))
BINNINGS.add("2023-11", Binning("2023-11", official=True))
_VIT4HEP_THRESHOLDS = tuple((name, 0.015) for name in ("ds1-photons", "ds1-pions", "ds2", "ds3"))
BINNINGS.add("vit4hep", Binning("vit4hep", _VIT4HEP_THRESHOLDS, official=True))
BINNINGS.add("caloforge-1", Binning("caloforge-1"))


def binnings(
    detector: Detector, reference: Features, training: Features | None = None, histograms: str = "caloforge-1"
) -> dict[str, Edges]:
    """Edges of every observable by its name in the binning of a name, see `Binning.edges`."""
    return BINNINGS[histograms].edges(detector, reference, training)


def discrete_energies(incident_energy_mev: Array) -> Edges:
    """The incident energies (MeV) of a sample with at most twenty different ones, each several times; else none."""
    values, counts = np.unique(np.asarray(incident_energy_mev, dtype=np.float64), return_counts=True)
    few = len(values) <= MAX_DISCRETE and len(counts) > 0 and counts.min() > 1
    return values if few else np.zeros(0)


def response_edges(detector: Detector, energy_index: int) -> Edges:
    """Edges of E_tot / E_inc at one discrete energy, counted from the lowest: photons above the fourth are narrow."""
    narrow = known_as(detector) == "ds1-photons" and energy_index > 3
    return np.linspace(0.9, 1.1, 21) if narrow else np.linspace(0.4, 1.4, 21)


def as_lists(edges: Mapping[str, Edges]) -> dict[str, list[float]]:
    """Edges as lists for a result file, which freezes them."""
    return {name: [float(value) for value in values] for name, values in edges.items()}
