"""What physicists check first: response, resolution, profiles, hits and clusters in bins of the incident energy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CylindricalLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.evaluation.energy_bins import checked_edges, energy_bins, members
from caloforge.evaluation.sample import Sample, each_chunk, thresholded
from caloforge.observables.clusters import Clusters, find_clusters
from caloforge.showers import Showers

Floats = NDArray[np.float64]
Estimate: TypeAlias = tuple[float | None, float | None]
RADIAL_BINS = 20


def mean(values: Floats) -> Estimate:
    """Mean and its standard error; None where there are too few values for one."""
    n = len(values)
    return float(values.mean()) if n else None, float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else None


def spread(values: Floats) -> Estimate:
    """Standard deviation and its error from the fourth moment."""
    n = len(values)
    if n < 2:
        return None, None
    sigma = float(values.std(ddof=1))
    fourth = float(np.mean((values - values.mean()) ** 4))
    return sigma, float(np.sqrt(max(fourth - sigma**4, 0.0) / n) / (2 * sigma)) if sigma > 0 else 0.0


def resolution(values: Floats) -> Estimate:
    """Standard deviation over mean and its error, to first order in the second, third and fourth moment."""
    n = len(values)
    centre = float(values.mean()) if n else 0.0
    if n < 2 or centre == 0:
        return None, None
    sigma = float(values.std(ddof=1))
    if sigma == 0:
        return 0.0, 0.0
    shifted = values - centre
    third, fourth = float(np.mean(shifted**3)), float(np.mean(shifted**4))
    variance = (fourth - sigma**4) / (4 * sigma**2) + sigma**4 / centre**2 - third / centre
    return sigma / centre, float(np.sqrt(max(variance, 0.0) / n) / abs(centre))


@dataclass(frozen=True)
class Quantity:
    """One number per energy bin: of which column of `Physics`, and how it is made of the showers' values."""

    column: str
    estimate: Callable[[Floats], Estimate]
    unit: str
    what: str


QUANTITIES: Mapping[str, Quantity] = {
    "response": Quantity("response", mean, "", "mean of deposited over incident energy"),
    "resolution": Quantity("response", resolution, "", "sigma over mean of the response"),
    "hits": Quantity("hits", mean, "", "mean number of voxels above threshold"),
    "depth": Quantity("depth", mean, "layers", "mean energy-weighted layer index"),
    "clusters": Quantity("clusters", mean, "", "mean number of clusters"),
    "cluster_cells": Quantity("cluster_cells", mean, "", "mean number of cells of the leading cluster"),
    "cluster_response": Quantity("cluster_response", mean, "", "mean of its energy over the incident one"),
    "cluster_resolution": Quantity("cluster_response", resolution, "", "sigma over mean of that"),
    "cluster_x_mm": Quantity("cluster_x_mm", mean, "mm", "mean x of the leading cluster"),
    "cluster_y_mm": Quantity("cluster_y_mm", mean, "mm", "mean y of the leading cluster"),
    "cluster_x_spread_mm": Quantity("cluster_x_mm", spread, "mm", "standard deviation of x"),
    "cluster_y_spread_mm": Quantity("cluster_y_mm", spread, "mm", "standard deviation of y"),
    "cluster_width_mm": Quantity("cluster_width_mm", mean, "mm", "mean root mean square width of the leading cluster"),
}


@dataclass(frozen=True)
class Physics:
    """What the tables are made of, for each of N showers of a sample.

    columns: (N,) by name, each of the `QUANTITIES`; a shower without a cluster has NaN for its position and width.
    longitudinal: energy fraction of each layer (N, L); radial: of each ring between radial_edges_mm (N, R).
    """

    incident_energy_mev: Floats
    columns: Mapping[str, Floats]
    longitudinal: Floats
    radial: Floats
    radial_edges_mm: Floats
    layer_names: tuple[str, ...]


def radial_edges_mm(detector: Detector, bins: int = RADIAL_BINS) -> Floats:
    """Edges of the radial profile: those of the rings of cylindrical layers, at most `bins` of them evenly chosen; on
    cartesian layers `bins` rings of equal width that hold the centres of all cells."""
    rings = [layer.r_edges_mm for layer in detector.layers if isinstance(layer, CylindricalLayer)]
    if len(rings) < detector.n_layers:
        return np.linspace(0.0, float(detector.r_mm.max()) * (1 + 1e-9) + 1e-9, bins + 1)
    edges = np.unique(np.concatenate(rings))
    return edges[np.unique(np.linspace(0, len(edges) - 1, min(bins + 1, len(edges))).round().astype(np.int64))]


def gather_physics(sample: Sample, cluster_threshold_mev: float | None = None, threads: int | None = None) -> Physics:
    """Read the showers of a sample once more and measure what needs voxels: rings and clusters.

    cluster_threshold_mev: of a cell, ten times the detector's by default. Memory grows with the number of showers by a
    few hundred bytes for each, whatever the number of voxels.
    """
    detector, features = sample.detector, sample.features
    edges = radial_edges_mm(detector)
    ring = np.clip(np.searchsorted(edges, detector.r_mm, side="right") - 1, 0, len(edges) - 2)
    rings = np.zeros((detector.n_voxels, len(edges) - 1))
    rings[np.arange(detector.n_voxels), ring] = 1.0
    n = len(sample)
    radial = np.empty((n, rings.shape[1]))
    clusters: list[Clusters] = []

    def measure(start: int, showers: Showers) -> tuple[int, Floats, Clusters]:
        deposits = thresholded(showers, sample.threshold_mev)
        found = find_clusters(deposits, detector, cluster_threshold_mev)
        return start, np.asarray(deposits @ rings.astype(deposits.dtype), dtype=np.float64), found

    for start, part, found in each_chunk(sample.source, measure, n, threads):
        radial[start : start + len(part)] = part
        clusters.append(found)

    def column(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in clusters])

    incident = np.asarray(features.incident_energy_mev, dtype=np.float64)
    total = np.asarray(features.total_mev, dtype=np.float64)
    voxels = np.array([layer.n_voxels for layer in detector.layers])
    fractions = _fractions(np.asarray(features.layer_energy_mev, dtype=np.float64), total)
    empty = column("number") == 0
    columns = {
        "response": total / incident,
        "hits": np.rint((1.0 - features.sparsity) * voxels).sum(axis=1),
        "depth": np.where(total > 0, fractions @ np.arange(detector.n_layers), np.nan),
        "clusters": column("number"),
        "cluster_cells": column("cells"),
        "cluster_response": column("energy_mev") / incident,
        "cluster_x_mm": np.where(empty, np.nan, column("x_mm")),
        "cluster_y_mm": np.where(empty, np.nan, column("y_mm")),
        "cluster_width_mm": np.where(empty, np.nan, column("width_mm")),
    }
    return Physics(incident, columns, fractions, _fractions(radial, total), edges, features.layer_names)


def _fractions(parts: Floats, total: Floats) -> Floats:
    return np.divide(parts, total[:, None], out=np.zeros_like(parts), where=total[:, None] > 0)


def compare_physics(
    reference: Sample | Physics,
    generated: Sample | Physics,
    edges: Sequence[float] | Floats | None = None,
    cluster_threshold_mev: float | None = None,
) -> list[dict[str, Any]]:
    """The `QUANTITIES` of two samples, and their profiles, in bins of the incident energy.

    edges: (B + 1,) in MeV; by default `energy_bins` of the reference. cluster_threshold_mev: as in `gather_physics`,
    whose result may stand in place of a sample, so that one reference serves many comparisons.

    One entry for each bin: low_mev, high_mev, n_reference, n_generated; for every quantity its value and error
    {"reference": [v, e], "generated": [v, e]}, None where there are too few showers; and `profiles`, of which
    "longitudinal" (with "layers") and "radial" (with "edges_mm") are energy fractions with errors, the same but with
    lists. Empty showers count with fractions of 0. Raises CaloforgeError for edges that do not increase and for samples
    of different detectors.
    """
    one, two = (
        side if isinstance(side, Physics) else gather_physics(side, cluster_threshold_mev)
        for side in (reference, generated)
    )
    if one.layer_names != two.layer_names or not np.array_equal(one.radial_edges_mm, two.radial_edges_mm):
        raise CaloforgeError(
            f"The generated showers have {len(two.layer_names)} layers to {two.radial_edges_mm[-1]:g} mm, expected "
            f"{len(one.layer_names)} to {one.radial_edges_mm[-1]:g} mm as in the reference; "
            "give showers of one detector."
        )
    edges = energy_bins(one.incident_energy_mev) if edges is None else checked_edges(edges)
    table: list[dict[str, Any]] = []
    pairs = zip(members(one.incident_energy_mev, edges), members(two.incident_energy_mev, edges), strict=True)
    for index, rows in enumerate(pairs):
        sides = dict(zip(("reference", "generated"), zip((one, two), rows, strict=True), strict=True))
        entry: dict[str, Any] = {
            "low_mev": float(edges[index]),
            "high_mev": float(edges[index + 1]),
            "n_reference": len(rows[0]),
            "n_generated": len(rows[1]),
        }
        for name, quantity in QUANTITIES.items():
            entry[name] = {
                side: list(quantity.estimate(_known(physics.columns[quantity.column][chosen])))
                for side, (physics, chosen) in sides.items()
            }
        entry["profiles"] = {
            "longitudinal": {
                "layers": list(one.layer_names),
                **{side: _profile(physics.longitudinal[chosen]) for side, (physics, chosen) in sides.items()},
            },
            "radial": {
                "edges_mm": one.radial_edges_mm.tolist(),
                **{side: _profile(physics.radial[chosen]) for side, (physics, chosen) in sides.items()},
            },
        }
        table.append(entry)
    return table


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _profile(fractions: Floats) -> list[list[float | None]]:
    """Means and errors of the columns."""
    estimates = [mean(column) for column in fractions.T]
    return [[value for value, _ in estimates], [error for _, error in estimates]]
