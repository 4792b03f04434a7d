"""The verdict never says that nothing is seen where a histogram sees it, or where showers lie outside of the bins."""

from __future__ import annotations

from typing import Any

from caloforge.evaluation.page import verdict

HEADLINE = {"auc": 0.52, "auc_error": 0.004, "floor": 0.52, "floor_error": 0.004, "n": 5000}
AGREES = {
    "value": 0.014,
    "error": 0.002,
    "floor": 0.014,
    "floor_spread": 0.002,
    "underflow": [1, 0],
    "overflow": [0, 0],
}


def _powers(layers: tuple[str, ...] = ("0", "1", "2", "3", "12"), **worse: float) -> dict[str, Any]:
    names = ["Etot / Einc", *(f"{kind} layer {layer}" for layer in layers for kind in ("E", "EC r", "Width r"))]
    powers: dict[str, Any] = {name: dict(AGREES) for name in names}
    for name, value in worse.items():
        powers[name] = {**AGREES, "value": value}
    return powers


def test_a_wrong_response_is_said_though_no_classifier_sees_it() -> None:
    powers = _powers(**{"Etot / Einc": 0.997})
    said = verdict({"classifiers": {"headline": HEADLINE}, "separation_power": powers})
    assert said.startswith("Not distinguishable from Geant4 by a classifier with 5,000 showers a class (AUC 0.520")
    assert said.endswith(
        "; yet 1 of 16 histograms differs from Geant4 by more than its floor, mostly by total response."
    )
    hidden = {"headline": {**HEADLINE, "auc_error": 0.03}}
    assert "yet 1 of 16 histograms" in verdict({"classifiers": hidden, "separation_power": powers})
    assert "yet" not in verdict({"classifiers": hidden, "separation_power": _powers()})


def test_showers_outside_of_the_bins_are_said() -> None:
    powers = _powers()
    powers["Etot / Einc"] |= {"underflow": [1, 183], "overflow": [3, 5]}
    said = "; 183 generated showers and 1 of Geant4 lie below the bins of Etot / Einc."
    assert verdict({"separation_power": powers}).endswith(f"(no classifier was asked for){said}")
    assert verdict({"separation_power": powers, "classifiers": {"headline": HEADLINE}}).endswith(said)
    powers["Etot / Einc"]["underflow"] = [10, 20]
    assert "lie below" not in verdict({"separation_power": powers})
    powers["voxel distribution"] = {**AGREES, "underflow": [10, 10**6]}
    assert "lie below" not in verdict({"separation_power": powers})


def test_layers_that_do_not_follow_each_other_are_no_range() -> None:
    far = {f"{kind} layer {layer}": 0.9 for kind in ("E", "EC r", "Width r") for layer in ("3", "12")}
    assert "mostly in layers 3 and 12 (" in verdict({"separation_power": _powers(**far)})
    far = {name: 0.9 for name in far if "3" in name} | {f"{kind} layer 2": 0.9 for kind in ("E", "EC r", "Width r")}
    assert "mostly in layers 2-3 (" in verdict({"separation_power": _powers(**far)})


def test_the_observable_is_that_of_the_layers_that_are_named() -> None:
    powers = _powers(**{"Width r layer 2": 0.9, "Etot / Einc": 0.03})
    assert "mostly in layer 2 by radial widths (" in verdict({"separation_power": powers})
