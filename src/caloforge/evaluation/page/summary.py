"""The head of the page: the verdict and the numbers that speak for the rest, each beside its floor."""

from __future__ import annotations

from caloforge.evaluation.page.excess import above_floor
from caloforge.evaluation.page.reading import (
    Results,
    auc_significance,
    headline,
    judged,
    models,
    significance,
    thousandfold,
)
from caloforge.evaluation.page.section import Block, Card, Cards, Notes, Section
from caloforge.evaluation.page.verdict import verdict


def summary(results: Results) -> Section:
    """Verdict of every model, cards of the first one, notes."""
    blocks: list[Block] = [results.get("verdict") or verdict(results)]
    others = [f"{name}: {one.get('verdict') or verdict(one)}" for name, one in models(results).items()][1:]
    if others:
        blocks.append(Notes(others))
    cards = [card for card in _cards(results) if card]
    if cards:
        blocks.append(Cards(cards))
    notes = [str(note) for note in results.get("notes") or []]
    if (results.get("protocol") or {}).get("quick") and not results.get("verdict"):
        notes.insert(0, "A quick look: too few showers and trainings for a verdict to rely on.")
    if notes:
        blocks.append(Notes(notes))
    return Section("summary", "Summary", blocks)


def _cards(results: Results) -> list[Card | None]:
    return [
        _auc(results), _jsd(results), _distance(results, "fpd"), _distance(results, "kpd"), _histograms(results),
        _memory(results), _time(results),
    ]  # fmt: skip


def _look(sigma: float) -> str:
    return "good" if sigma < 2 else "fair" if sigma < 5 else "bad"


def _auc(results: Results) -> Card | None:
    best = headline(results)
    if best is None:
        return None
    name, one = best
    floor = one.get("floor")
    sigma = auc_significance(one)
    below = "floor 0.5 (expected)" if floor is None else f"floor {floor:.3f}" + _pm(one.get("floor_spread"))
    look = "good" if sigma < 2 else "fair" if one["auc"] < 0.8 else "bad"
    gauge = (2 * one["auc"] - 1, None if floor is None else 2 * floor - 1)
    return Card(f"AUC, {name}", f"{one['auc']:.3f}{_pm(one.get('auc_error'))}", below, look, gauge)


def _jsd(results: Results) -> Card | None:
    best = headline(results)
    if best is None or best[1].get("jsd") is None:
        return None
    one = best[1]
    floor = one.get("floor_jsd")
    below = "floor 0 (expected)" if floor is None else f"floor {floor:.3f}"
    return Card("JSD", f"{one['jsd']:.3f}{_pm(one.get('jsd_error'))}", below, "", (one["jsd"], floor))


def _distance(results: Results, key: str) -> Card | None:
    one = results.get(key)
    if not one:
        return None
    floor = one.get("floor")
    below = "no floor" if floor is None else f"floor {_pair(1e3 * floor, thousandfold(one.get('floor_error')))}"
    if one.get("comparable") is False:
        below += "; too few showers to compare with others"
    sigma = significance(one["value"], one.get("error"), floor, one.get("floor_error"))
    look = "" if floor is None else _look(sigma)
    return Card(f"{key.upper()} · 1000", _pair(1e3 * one["value"], thousandfold(one.get("error"))), below, look)


def _histograms(results: Results) -> Card | None:
    powers = results.get("separation_power")
    if not powers:
        return None
    far, known = above_floor(powers.values())
    if not known:
        worst = max(powers, key=lambda name: float(powers[name]["value"]))
        return Card("largest separation power", f"{powers[worst]['value']:.3g}", worst)
    share = far / known
    look = "good" if share < 0.03 else "fair" if share < 0.3 else "bad"
    return Card("histograms above their floor", f"{far} of {known}", "by more than 3 standard errors", look)


def _memory(results: Results) -> Card | None:
    one = results.get("memorisation")
    if not one:
        return None
    below = f"{100 * one['close']:.1f} % closer than 99 % of Geant4 (1 % expected)"
    return Card(
        "copies of the training set", "found" if one["found"] else "none", below, "bad" if one["found"] else "good"
    )


def _time(results: Results) -> Card | None:
    times = results.get("seconds_per_shower") or {}
    name = next(iter(judged(results)))
    own = times.get(name, times.get("generated"))
    if not own:
        return None
    base = times.get("geant4")
    below = f"{speed(base / own)} times as fast as Geant4" if base else "Geant4's time is not known"
    return Card("time per shower", f"{1e3 * own:.3g} ms", below)


def speed(factor: float) -> str:
    """A ratio with three digits at most, never with an exponent."""
    return f"{float(f'{factor:.3g}'):,.0f}" if factor >= 100 else f"{factor:.3g}"


def _pm(error: float | None) -> str:
    return "" if error is None else f" ± {error:.3f}"


def _pair(value: float, error: float | None) -> str:
    """A value and its error, from 100 on with whole numbers instead of an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}" + ("" if error is None else f" ± {error:,.0f}")
    return f"{value:.3g}" + ("" if error is None else f" ± {error:.2g}")
