"""Bins of every observable: the official ones, those of protocol caloforge-1, and quantiles for all else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import PRESETS, Detector, preset
from caloforge.observables.features import Features

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
    """Logarithmic edges from the threshold to the reference's largest value, which the last bin contains."""
    lowest = threshold_mev if threshold_mev > 0 else 1e-6
    largest = float(largest_mev) if largest_mev > lowest else lowest * 10
    edges = np.logspace(np.log10(lowest), np.log10(largest), n_edges)
    edges[-1] = largest
    return edges


def _span(low: float, high: float) -> Edges:
    return np.linspace(low, high, N_BINS + 1)


def _challenge(kind: str, layer: str, small: bool) -> Edges | None:
    deep = layer in DEEP_LAYERS
    if kind in ("EC eta", "EC phi"):
        reach = 30.0 if small else 500.0 if layer in ("12", "13") else 100.0
        return _span(-reach, reach)
    if kind in ("Width eta", "Width phi"):
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


def binnings(detector: Detector, reference: Features, training: Features | None = None) -> dict[str, Edges]:
    """Edges for every observable of `Features.table()`, by its name.

    Official bins on the CaloChallenge detectors, those of protocol caloforge-1 on calogan, sparsity in 20 bins and
    layer energies in 39 logarithmic bins up to the reference's maximum everywhere; the rest has 100 bins between the
    0.1 % and 99.9 % quantiles of the Geant4 training showers (of the reference where there are none).
    """
    known = known_as(detector)
    official = known.startswith("ds")
    quantile_source = (training or reference).table()
    edges: dict[str, Edges] = {}
    for name, values in reference.table().items():
        kind, _, layer = name.partition(" layer ")
        found: Edges | None = None
        if kind == "E":
            found = energy_edges(detector.threshold_mev, float(values.max(initial=0.0)), 40)
        elif kind == "Sparsity":
            found = np.linspace(0.0, 1.0, 21)
        elif kind == "Etot / Einc" and official:
            found = np.linspace(0.5, 1.5, 101)
        elif kind == "Etot / Einc" and known == "calogan":
            found = np.linspace(0.95, 1.005, 111)
        elif official:
            found = _challenge(kind, layer, known in ("ds2", "ds3"))
        elif known == "calogan":
            found = _calogan(kind)
        edges[name] = _quantiles(quantile_source[name]) if found is None else found
    return edges


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
