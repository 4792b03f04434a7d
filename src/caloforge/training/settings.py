"""What a training run is told: length, learning rate, averaging, checkpoints, seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from caloforge.errors import CaloforgeError

FREE = frozenset({"keep", "checkpoint_every", "log_every", "tensorboard", "workers"})
"""Settings that leave the outcome alone and may differ when a run is taken up again."""


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one stage's training.

    A step is one update of one player from one batch.

    epochs            passes over the training batches
    learning_rate     highest learning rate of AdamW
    schedule          "constant", "one-cycle" (cosine up, cosine down) or "cyclic" (triangles, halved each time)
    base_learning_rate  where one-cycle and cyclic start; by default a 25th (one-cycle) or 40th (cyclic) of the highest
    warm_up           share of the updates in which one-cycle rises
    cycle_steps       updates in which cyclic rises from the lowest to the highest rate
    weight_decay      decoupled weight decay of AdamW
    betas             decay of AdamW's two running means
    clip_norm         largest norm of a turn's gradient; None: not clipped
    ema_decay         decay per update of the moving average of the weights; None: no average
    precision         "32-true" or "bf16-mixed"
    patience          validations without a better loss after which the run stops; None: never
    validate_every    steps between validations; None: at the end of each epoch
    checkpoint_every  steps between checkpoints; None: at the end of each epoch
    keep              number of newest step folders that are kept, besides the best; None: all
    log_every         steps between rows of the training log
    tensorboard       whether TensorBoard files are written as well
    seed              of everything random in the run
    threads           threads of torch on the CPU; None: as they are
    workers           threads that read and prepare batches ahead of the steps; 0: each step prepares its own
    accelerator       "auto", "cpu", "cuda" or "mps"

    Raises CaloforgeError where a value is out of range.
    """

    epochs: int = 1
    learning_rate: float = 1e-3
    schedule: Literal["constant", "one-cycle", "cyclic"] = "constant"
    base_learning_rate: float | None = None
    warm_up: float = 0.3
    cycle_steps: int = 850
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float | None = None
    ema_decay: float | None = None
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    patience: int | None = None
    validate_every: int | None = None
    checkpoint_every: int | None = None
    keep: int | None = 1
    log_every: int = 10
    tensorboard: bool = True
    seed: int = 0
    threads: int | None = None
    workers: int = 1
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in ("epochs", "cycle_steps", "log_every"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        self._require("workers", self.workers >= 0, "at least 0")
        for name in ("patience", "validate_every", "checkpoint_every", "keep", "threads"):
            value = getattr(self, name)
            self._require(name, value is None or value >= 1, "at least 1 or none")
        self._require("learning_rate", self.learning_rate > 0, "above 0")
        base = self.base_learning_rate
        fits = base is None or 0 < base <= self.learning_rate
        self._require("base_learning_rate", fits, "above 0 and up to learning_rate")
        self._require("warm_up", 0 < self.warm_up < 1, "between 0 and 1")
        self._require("weight_decay", self.weight_decay >= 0, "at least 0")
        two = len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)
        self._require("betas", two, "two numbers from 0 to below 1")
        self._require("clip_norm", self.clip_norm is None or self.clip_norm > 0, "above 0 or none")
        self._require("ema_decay", self.ema_decay is None or 0 < self.ema_decay < 1, "between 0 and 1 or none")
        for name, allowed in (
            ("schedule", ("constant", "one-cycle", "cyclic")),
            ("precision", ("32-true", "bf16-mixed")),
            ("accelerator", ("auto", "cpu", "cuda", "mps")),
        ):
            self._require(name, getattr(self, name) in allowed, "one of " + ", ".join(allowed))

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise CaloforgeError(f"The training setting '{name}' is {getattr(self, name)!r}; give {expected}.")

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON keeps them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
