"""Results of schema 2 and arrays made from small real samples, for tests of page, comparison and standings."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from caloforge import __version__
from caloforge.evaluation.arrays import Arrays
from caloforge.evaluation.sample import Sample
from caloforge.evaluation.separations import Binned, separations, voxel_edges
from caloforge.observables import Comparison, binnings
from caloforge.showers import Showers


def compared(reference: Sample, other: Sample) -> dict[str, Comparison]:
    edges = voxel_edges(reference)
    parts = [Binned.of(sample, edges).rows(slice(None)) for sample in (reference, other)]
    return separations(parts[0], parts[1], binnings(reference.detector, reference.features), edges, reference)


def powers(found: dict[str, Comparison], floor: dict[str, Comparison]) -> dict[str, Any]:
    return {
        name: {
            "value": one.separation, "error": one.error, "floor": floor[name].separation,
            "floor_spread": floor[name].error, "chi2_ndf": one.chi2_ndf, "wasserstein": one.wasserstein,
            "underflow": [one.outside["reference"][0], one.outside["generated"][0]],
            "overflow": [one.outside["reference"][1], one.outside["generated"][1]], "note": one.note or None,
        }
        for name, one in found.items()
    }  # fmt: skip


def physics(reference: Sample, other: Sample, edges: np.ndarray) -> list[dict[str, Any]]:
    bins = []
    samples = {"reference": reference, "generated": other}
    for low, high in pairwise(edges):
        entry: dict[str, Any] = {"low_mev": float(low), "high_mev": float(high)}
        sides = {}
        for label, sample in samples.items():
            energy = sample.features.incident_energy_mev
            rows = (energy >= low) & (energy < high)
            entry[f"n_{label}"] = int(rows.sum())
            sides[label] = sample.features.total_mev[rows] / energy[rows], sample.features.sparsity[rows].mean(axis=1)
        for index, name in enumerate(("response", "mean sparsity")):
            entry[name] = {
                label: [float(v[index].mean()), float(v[index].std() / np.sqrt(max(len(v[index]), 1)))]
                for label, v in sides.items()
            }
        shares = {
            side: (s.features.layer_energy_mev.T / np.maximum(s.features.total_mev, 1e-9)).T
            for side, s in samples.items()
        }
        entry["profiles"] = {
            "longitudinal": {
                "layers": list(reference.features.layer_names),
                **{side: [list(v.mean(axis=0)), list(v.std(axis=0) / np.sqrt(len(v)))] for side, v in shares.items()},
            }
        }
        bins.append(entry)
    return bins


def classifier(auc: float, n: int, floor: float | None = 0.503) -> dict[str, Any]:
    return {
        "auc": auc, "auc_error": 0.004, "jsd": max(2 * (auc - 0.5) ** 2, 0.0), "jsd_error": 0.002, "n": n,
        "repeats": 3, "floor": floor, "floor_spread": 0.003, "floor_jsd": 0.001,
    }  # fmt: skip


def judgement(
    reference: Showers, others: dict[str, Showers], second: Showers, auc: float = 0.72
) -> tuple[dict[str, Any], Arrays]:
    """Results and arrays with every part; `second` is Geant4 again, for the floor."""
    unseen, again = Sample.gather("reference", reference), Sample.gather("floor", second)
    samples = {name: Sample.gather(name, showers) for name, showers in others.items()}
    floor = compared(unseen, again)
    comparisons = {name: compared(unseen, sample) for name, sample in samples.items()}
    energy = unseen.features.incident_energy_mev
    edges = np.geomspace(energy.min(), energy.max() * 1.0001, 4)
    rng = np.random.default_rng(5)
    vectors = {name: s.features.vector() for name, s in {"reference": unseen, **samples}.items()}
    kept = np.flatnonzero(np.min([v.std(axis=0) for v in vectors.values()], axis=0) > 1e-12)
    names = [f"feature layer {k}" for k in kept]
    matrices: dict[str, Any] = {name: np.corrcoef(v[:, kept], rowvar=False) for name, v in vectors.items()}
    n = len(reference)

    def entry(name: str, auc: float) -> dict[str, Any]:
        difference = np.abs(matrices[name] - matrices["reference"])
        return {
            "separation_power": powers(comparisons[name], floor),
            "classifiers": {
                "low": classifier(auc - 0.02, n), "high": classifier(auc, n), "headline": classifier(auc, n),
            },
            "fpd": {"value": 0.02, "error": 0.001, "floor": 0.011, "floor_error": 0.001, "n": n, "comparable": False},
            "kpd": {"value": 1e-4, "error": 5e-5, "floor": -1e-5, "floor_error": 2e-5, "n": n, "comparable": False},
            "prdc": {
                "precision": 0.7, "recall": 0.6, "density": 0.9, "coverage": 0.95, "k": 5, "n": n,
                "floor": {"precision": 0.71, "recall": 0.7, "density": 1.0, "coverage": 0.96},
            },
            "correlations": {
                "largest_difference": float(difference.max()), "mean_difference": float(difference.mean()),
                "largest_pair": [names[0], names[1]], "floor_largest": 0.05,
            },
            "physics": physics(unseen, samples[name], edges),
            "auc_by_energy": [
                {
                    "low_mev": float(low), "high_mev": float(high), "n": n // 3, "auc": auc + shift,
                    "auc_error": 0.01, "floor": 0.5,
                }
                for (low, high), shift in zip(pairwise(edges), (0.1, 0.0, -0.1), strict=True)
            ],
            "memorisation": {"close": 0.012, "median_ratio": 1.01, "found": False},
            "weights": {
                "classifier": "headline", "quantiles": {"0.01": 0.1, "0.5": 1.0, "0.99": 6.0},
                "too_much": [
                    {"observable": "E layer 1", "low": 1.0, "high": 2.5, "n": 31, "mean_weight": 0.7, "error": 0.1}
                ],
                "too_little": [],
            },
            "auc_against_n": {"50": [auc - 0.05, 0.03], str(n): [auc, 0.004]},
            "indistinguishable": False,
        }  # fmt: skip

    first, *rest = samples
    results: dict[str, Any] = {
        "schema": 2, "caloforge": __version__, "protocol": {"name": "small-n", "version": 1, "quick": False}, "seed": 0,
        "detector": {"name": unseen.detector.name, "fingerprint": unseen.detector.fingerprint()}, "particle": "e-",
        "showers": {"reference": n, "training": 0, "floor": len(second), **{k: len(v) for k, v in others.items()}},
        "name": first, **entry(first, auc), "others": {name: entry(name, 0.97) for name in rest},
        "multiclass": {"labels": list(samples), "log_posterior": {name: [-1.2, 0.1] for name in samples}, "n": n},
        "bins": {}, "seconds_per_shower": {"geant4": 1.8, first: 0.0004}, "seconds": {"features": 1.0, "total": 9.0},
        "notes": ["Samples differ in length."],
    }  # fmt: skip
    arrays = Arrays(
        unseen, samples, comparisons, floor,
        {"reference": rng.gamma(30, 0.02, n), **{name: rng.gamma(29, 0.02, n) for name in samples}},
        {name: (np.exp(rng.normal(0.5, 1, n)), np.exp(rng.normal(-0.5, 1, n))) for name in samples},
        {"names": names, **matrices},
        {"reference": reference[:4], **{name: showers[:4] for name, showers in others.items()}},
    )  # fmt: skip
    return results, arrays
