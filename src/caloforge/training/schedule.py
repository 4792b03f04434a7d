"""The learning rate as a pure function of the update, so that a resumed run needs no scheduler's state."""

from __future__ import annotations

from math import cos, floor, pi

from caloforge.training.settings import TrainingSettings


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2.0 * (cos(pi * share) + 1.0)


def one_cycle(update: int, total: int, highest: float, base: float, warm_up: float = 0.3) -> float:
    """Cosine from `base` to `highest` in the first share of `total` updates, then down to a 10,000th of `base`.

    Agrees with torch's OneCycleLR (L. Smith and N. Topin, arXiv:1708.07120) of equal settings.
    """
    top = warm_up * total - 1.0
    if update <= top:
        return _cosine(base, highest, update / top) if top > 0 else highest
    return _cosine(highest, base / 1e4, (update - top) / (total - 1.0 - top))


def cyclic(update: int, highest: float, base: float, rise: int) -> float:
    """Triangles between `base` and `highest`, each of 2 x `rise` updates, each half as high as the one before.

    Agrees with torch's CyclicLR in mode "triangular2" (L. Smith, arXiv:1506.01186).
    """
    cycle = floor(update / (2 * rise))
    share = update / (2 * rise) - cycle
    height = 2 * share if share <= 0.5 else 2 * (1 - share)
    return base + (highest - base) * height * 0.5**cycle


def learning_rate(settings: TrainingSettings, update: int, total: int) -> float:
    """Learning rate of one update (counted from 0) of a player that will have `total` updates."""
    highest, base = settings.learning_rate, settings.base_learning_rate
    if settings.schedule == "one-cycle":
        return one_cycle(update, total, highest, highest / 25.0 if base is None else base, settings.warm_up)
    if settings.schedule == "cyclic":
        return cyclic(update, highest, highest / 40.0 if base is None else base, settings.cycle_steps)
    return highest
