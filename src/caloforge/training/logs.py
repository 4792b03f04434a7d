"""The run's log: one CSV table and, where wished, TensorBoard's files."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caloforge.errors import CaloforgeError
from caloforge.files import replaced


class Logs:
    """Rows by step into `folder`/metrics.csv and TensorBoard; rows after `step`, of a run cut off, are dropped."""

    def __init__(self, folder: Path, step: int, tensorboard: bool) -> None:
        self._path = folder / "metrics.csv"
        self._rows: list[dict[str, str]] = []
        self._columns: list[str] = ["step"]
        if self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as stream:
                reader = csv.DictReader(stream)
                self._columns = list(reader.fieldnames or ["step"])
                self._rows = [row for row in reader if row["step"].isdigit() and int(row["step"]) <= step]
        self._rewrite()
        self._board: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise CaloforgeError(
                    "TensorBoard is not installed; install the package 'tensorboard' or set 'tensorboard' to false."
                ) from error
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def _rewrite(self) -> None:
        with replaced(self._path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self._columns)
            writer.writeheader()
            writer.writerows(self._rows)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add one row of named numbers at a step."""
        row = {"step": str(step), **{name: repr(float(value)) for name, value in values.items()}}
        self._rows.append(row)
        new = [name for name in row if name not in self._columns]
        if new:
            self._columns += new
            self._rewrite()
        else:
            try:
                with self._path.open("a", newline="", encoding="utf-8") as stream:
                    csv.DictWriter(stream, self._columns).writerow(row)
            except OSError as error:
                raise CaloforgeError(
                    f"{self._path} could not be written ({error.strerror}); free some space."
                ) from error
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def figure(self, name: str, figure: Any, step: int) -> None:
        """Show a matplotlib figure in TensorBoard; nothing where TensorBoard is off."""
        if self._board is not None:
            self._board.add_figure(name, figure, step)

    def close(self) -> None:
        """Flush and close."""
        if self._board is not None:
            self._board.close()
