"""What other rooms may do during a run, without the loop knowing them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from caloforge.generative.contracts import Objective


class FigureLog(Protocol):
    """Where a callback shows its figures."""

    def figure(self, name: str, figure: Any, step: int) -> None:
        """Show a matplotlib figure."""
        ...


@dataclass(frozen=True)
class Moment:
    """Where a run stands: steps done of all, epoch (from 0), newest numbers by name, its folder and its log."""

    step: int
    steps: int
    epoch: int
    numbers: dict[str, float]
    objective: Objective
    out: Path
    log: FigureLog


class Callback:
    """Base of all callbacks; nothing that a callback draws at random reaches the training."""

    def on_step(self, moment: Moment) -> None:
        """After every update."""

    def on_validation(self, moment: Moment) -> None:
        """After a validation; the model is in evaluation mode and holds the averaged weights where there are any."""

    def on_checkpoint(self, moment: Moment, folder: Path) -> None:
        """After a checkpoint was written into `folder`."""

    def on_end(self, moment: Moment) -> None:
        """After the last step; the model holds the best weights."""
