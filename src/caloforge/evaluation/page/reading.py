"""The results of a judgement (schema 2) as the page reads them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

Results = Mapping[str, Any]
HEADLINE = "headline"
NAIVE = "naive"
ONE_ENERGY = " at one energy"


def judged(results: Results) -> dict[str, Results]:
    """The judgement of every sample by name, the one at the top level first."""
    return {str(results.get("name", "generated")): results, **results.get("others", {})}


def models(results: Results) -> dict[str, Results]:
    """`judged` without the naive generators."""
    return {name: one for name, one in judged(results).items() if not name.startswith(NAIVE)}


def headline(one: Results) -> tuple[str, Results] | None:
    """Name and numbers of the classifier that speaks for a sample: `headline`, else the one with the largest AUC."""
    found = one.get("classifiers") or {}
    if not found:
        return None
    name = HEADLINE if HEADLINE in found else max(found, key=lambda key: float(found[key]["auc"]))
    return name, found[name]


def kind_of(name: str) -> str:
    """The observable without its layer or energy: 'EC Eta layer 3' is of kind 'EC Eta'."""
    if " at E = " in name:
        return name.split(" at E = ")[0] + ONE_ENERGY
    return name.split(" layer ")[0].split(" third ")[0]


def layer_of(name: str) -> str | None:
    """The layer in the name of an observable."""
    return name.split(" layer ")[1] if " layer " in name else None


def kinds(names: list[str]) -> dict[str, list[str]]:
    """Names of observables by kind, in their order."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(kind_of(name), []).append(name)
    return found


def number(value: Any) -> float:
    """A value of the results as a float, NaN where there is none."""
    return math.nan if value is None or isinstance(value, str) else float(value)


def auc_error(one: Results) -> float:
    """Standard error of an AUC minus its floor; the floor's own error is its spread over the root of its draws."""
    floor = one.get("floor_error", one.get("floor_spread"))
    return math.hypot(number(one.get("auc_error") or 0.0), number(floor or 0.0))


def auc_significance(one: Results) -> float:
    """By how many such errors an AUC lies above its floor, or above 0.5 where there is none."""
    return significance(one["auc"], auc_error(one), one.get("floor"), None, 0.5)


def significance(value: Any, error: Any, floor: Any, spread: Any, expected: float = 0.0) -> float:
    """How many standard errors a value lies above its floor (above `expected` where there is none)."""
    base = expected if floor is None else float(floor)
    sigma = math.hypot(number(error) if error else 0.0, number(spread) if spread else 0.0)
    difference = float(value) - base
    return difference / sigma if sigma > 0 else (math.inf if difference > 0 else 0.0)


def thousandfold(value: float | None) -> float | None:
    """A value times 1000, as FPD, KPD and times are shown; None where there is none."""
    return None if value is None else 1e3 * value


def unit_of(name: str) -> str:
    """The observable with its unit, as an axis says it."""
    kind = kind_of(name)
    if kind in ("E", "voxel distribution", "Visible energy", "Depth-weighted energy"):
        return f"{name} [MeV]"
    return f"{name} [mm]" if re.match(r"EC |Width |First moment|Second moment", kind) else name


def quantity(name: str) -> str:
    """A quantity of the physics tables as an axis says it: 'cluster_x_mm' is 'cluster x [mm]'."""
    stem = name.removesuffix("_mm")
    return stem.replace("_", " ") + (" [mm]" if stem != name else " [layers]" if name == "depth" else "")


def energy(mev: float) -> str:
    """An energy in the unit that suits it."""
    for factor, unit in ((1e6, "TeV"), (1e3, "GeV"), (1.0, "MeV")):
        if mev >= factor:
            return f"{mev / factor:.3g} {unit}"
    return f"{1e3 * mev:.3g} keV"


def energy_range(low: float, high: float) -> str:
    """A range of energies in MeV, or the energy where it is one."""
    return energy(low) if high <= low * 1.001 else f"{energy(low)} to {energy(high)}"
