"""The one loop that trains every objective: turns, validation, checkpoints, resumption."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError
from caloforge.generative.contracts import Batch, BatchSource, Objective, Turn
from caloforge.randomness import stream_seed
from caloforge.training.callbacks import Callback, Moment
from caloforge.training.checkpoint import WEIGHTS, load_weights, point, prune, save_weights, step_name
from caloforge.training.ema import MovingAverage
from caloforge.training.logs import Logs
from caloforge.training.preparation import Pool, pools, prepared
from caloforge.training.progress import ProgressBar
from caloforge.training.resume import Position, claim, frozen_digests, load_resume, save_resume
from caloforge.training.schedule import learning_rate
from caloforge.training.settings import TrainingSettings
from caloforge.training.signals import Signals

PATIENCE_WITH_INFINITY = 50
"""Updates in a row without a finite gradient after which a run gives up."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    best_step, best_loss  step of the best checkpoint and its loss (that of validation, where there is one)
    history               one row of named numbers per validation
    interrupted           a signal stopped the run; the same call goes on with it
    last_step             steps done
    """

    best_step: int
    best_loss: float
    history: tuple[Mapping[str, float], ...]
    interrupted: bool
    last_step: int


def train(
    objective: Objective,
    batches: BatchSource,
    settings: TrainingSettings,
    out: Path | str,
    *,
    validation: BatchSource | None = None,
    documents: Mapping[str, str] | None = None,
    callbacks: Sequence[Callback] = (),
    show: bool = True,
) -> TrainingResult:
    """Train `objective.model` and keep its checkpoints in `out`; a run that was cut off there goes on, to the bit.

    Each step is one update of one player from one batch; the players take turns in the order of `objective.turns`.
    Best is the least validation loss of the first turn that moves the model, without validation the least mean
    training loss, and without validation but with several players simply the last. What lies beside the model in the
    objective and has only frozen parameters (a teacher) is in evaluation mode. On return the model holds the
    weights of `best` (averaged ones where `ema_decay` is set).

    documents  files (name: text) that each checkpoint folder gets beside its weights; a run is resumed only with
               the same ones, `provenance.json` excepted
    show       progress bar and one line per validation on standard error

    Raises CaloforgeError where `out` holds a run of other settings, cannot be written, or the loss stays infinite.
    """
    return _Run(objective, batches, settings, Path(out), validation, documents or {}, callbacks, show).go()


def _fabric(settings: TrainingSettings) -> Any:
    try:
        from lightning_fabric import Fabric
    except ImportError:
        from lightning.fabric import Fabric  # type: ignore[import-not-found,no-redef,unused-ignore]
    return Fabric(accelerator=settings.accelerator, devices=1, precision=settings.precision)


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values()))) if batch else 1


def _means(sums: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: total / count for name, (total, count) in sums.items()}


def _add(sums: dict[str, list[float]], numbers: Mapping[str, float], weight: float = 1.0) -> None:
    for name, value in numbers.items():
        entry = sums.setdefault(name, [0.0, 0.0])
        entry[0] += weight * value
        entry[1] += weight


class _Run:
    def __init__(
        self,
        objective: Objective,
        batches: BatchSource,
        settings: TrainingSettings,
        out: Path,
        validation: BatchSource | None,
        documents: Mapping[str, str],
        callbacks: Sequence[Callback],
        show: bool,
    ) -> None:
        self.objective, self.batches, self.settings, self.out = objective, batches, settings, out
        self.validation, self.documents, self.callbacks, self.show = validation, dict(documents), callbacks, show
        clash = {WEIGHTS, "training.json"} & self.documents.keys()
        if clash:
            raise ValueError(f"the loop itself writes {sorted(clash)} into each checkpoint")
        self.trained = {name: value for name, value in objective.named_parameters() if value.requires_grad}
        self.cycle = [turn for turn in objective.turns for _ in range(turn.updates)]
        self.owned = {turn.name: self._parameters(turn) for turn in objective.turns}
        in_model = {id(value) for value in objective.model.parameters()}
        self.moving = [turn for turn in objective.turns if any(id(v) in in_model for v in self.owned[turn.name])]
        if not self.moving:
            raise ValueError("no turn moves a parameter of objective.model")
        self.judged = validation is not None or len(objective.turns) == 1
        self.position = Position()

    def _parameters(self, turn: Turn) -> list[nn.Parameter]:
        prefix = turn.parameters.rstrip(".")
        found = [v for name, v in self.trained.items() if not prefix or name == prefix or name.startswith(prefix + ".")]
        if not found:
            raise ValueError(f"turn '{turn.name}' moves nothing: no trained parameter begins with '{prefix}'")
        return found

    def go(self) -> TrainingResult:
        """Train to the end or to a signal."""
        with torch.random.fork_rng(), _threads(self.settings.threads):
            try:
                return self._go()
            finally:
                for value in self.trained.values():
                    value.requires_grad_(True)

    def _go(self) -> TrainingResult:
        settings, objective = self.settings, self.objective
        self.fabric = fabric = _fabric(settings)
        world, self.rank = fabric.world_size, fabric.global_rank
        self.per_epoch = len(self.batches) // world
        if self.per_epoch < 1:
            raise CaloforgeError("There is not one batch of training data; give more rows or a smaller batch_size.")
        self.total = settings.epochs * self.per_epoch
        record = settings.as_json() | {
            "batches per epoch": len(self.batches),
            "validation batches": len(self.validation) if self.validation is not None else None,
            "device": fabric.device.type,
        }
        claim(self.out, record, self.documents)

        optimizers = {
            turn.name: torch.optim.AdamW(
                self.owned[turn.name],
                settings.learning_rate,
                settings.betas,
                weight_decay=settings.weight_decay,
                fused=fabric.device.type in ("cpu", "cuda"),
            )
            for turn in objective.turns
        }
        self.wrapped = fabric.setup_module(objective)
        self.optimizers = {name: fabric.setup_optimizers(optimizer) for name, optimizer in optimizers.items()}
        self.plain = optimizers
        self.frozen = frozen_digests(objective)
        self.average = MovingAverage(objective.model, settings.ema_decay) if settings.ema_decay is not None else None
        kept = load_resume(self.out, objective, optimizers)
        if kept is not None:
            self.position, average = kept
            if self.average is not None and average is not None:
                self.average.load(average, self.position.ema_updates)
            self._point()
        interrupted = False
        if not self.position.ended:
            interrupted = self._steps()
        return self._result(interrupted)

    def _steps(self) -> bool:
        position, settings = self.position, self.settings
        bar = ProgressBar(self.total, position.step, self.show and self.fabric.is_global_zero)
        self.log = Logs(self.out / "logs", position.step, settings.tensorboard)
        self.generator = torch.Generator(self.fabric.device)
        try:
            with Signals() as signals, bar, closing(self._batches()) as batches:
                self._training_mode()
                for batch in batches:
                    self._update(batch)
                    self._after_update(bar, signals)
                    if position.ended or signals.stop:
                        break
        finally:
            self.log.close()
        return not position.ended

    def _batches(self) -> Generator[Batch, None, None]:
        """Prepared batches from the run's position on."""
        first = self.position.step
        with closing(self._prepared(self._pools(first), "training")) as batches:
            for step, batch in batches:
                if step >= first:
                    yield batch

    def _pools(self, step: int) -> Iterator[Pool]:
        """Pools of batches from that of a step on; with several processes every one takes each world-th batch."""
        world, size = self.fabric.world_size, self.objective.pool
        first_epoch, start = divmod(step, self.per_epoch)
        for epoch in range(first_epoch, self.settings.epochs):
            arrived = start - start % size
            source = islice(self.batches.epoch(epoch, arrived * world), self.rank, None, world)
            for first, pool in pools(islice(source, self.per_epoch - arrived), arrived, size):
                arrived += len(pool)
                yield epoch * self.per_epoch + first, pool
            if arrived < self.per_epoch:
                raise RuntimeError(f"epoch {epoch} ended after {arrived} batches instead of {self.per_epoch}")
            start = 0

    def _prepared(self, source: Iterator[Pool], purpose: str) -> Generator[tuple[int, Batch], None, None]:
        return prepared(self.objective, source, self.settings.seed, purpose, self.rank, self.settings.workers)

    def _training_mode(self) -> None:
        self.objective.train()
        trained = {id(value) for value in self.trained.values()}
        for child in self.objective.children():
            parameters = list(child.parameters())
            if child is not self.objective.model and parameters and not any(id(p) in trained for p in parameters):
                child.eval()

    def _turn(self, step: int) -> Turn:
        return self.cycle[step % len(self.cycle)]

    def _updates(self, turn: Turn, step: int) -> int:
        """Updates that a player has had before a step."""
        rounds, rest = divmod(step, len(self.cycle))
        return rounds * self.cycle.count(turn) + self.cycle[:rest].count(turn)

    def _seed(self, purpose: str, index: int) -> None:
        torch.manual_seed(stream_seed(self.settings.seed, purpose + " layers", index, self.rank))
        self.generator.manual_seed(stream_seed(self.settings.seed, purpose, index, self.rank))

    def _forward(self, batch: Batch, turn: Turn, purpose: str, index: int) -> tuple[Tensor, dict[str, float]]:
        """The loss of a prepared batch and all numbers; its randomness is that of (purpose, index)."""
        self._seed(purpose, index)
        output = self.wrapped(self.fabric.to_device(dict(batch)), turn.name, self.generator)
        return output["loss"], {name: float(value.detach()) for name, value in output.items()}

    def _update(self, batch: Batch) -> None:
        position, settings = self.position, self.settings
        turn = self._turn(position.step)
        optimizer, owned = self.optimizers[turn.name], self.owned[turn.name]
        if len(self.owned) > 1:
            mine = {id(value) for value in owned}
            for value in self.trained.values():
                value.requires_grad_(id(value) in mine)
        rate = learning_rate(settings, self._updates(turn, position.step), self._updates(turn, self.total))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, numbers = self._forward(batch, turn, "training", position.step)
        optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        bound = settings.clip_norm if settings.clip_norm is not None else math.inf
        gradient = float(torch.nn.utils.clip_grad_norm_(owned, bound))
        if math.isfinite(gradient) and math.isfinite(numbers["loss"]):
            optimizer.step()
            position.skipped_in_a_row = 0
            if self.average is not None and turn in self.moving:
                self.average.update()
                position.ema_updates = self.average.updates
            prefix = f"train/{turn.name}/" if len(self.owned) > 1 else "train/"
            named = {prefix + name: value for name, value in numbers.items()}
            named |= {prefix + "gradient norm": gradient, prefix + "learning rate": rate}
            _add(position.since_log, named)
            _add(position.since_validation, named)
        else:
            position.skipped += 1
            position.skipped_in_a_row += 1
            if position.skipped_in_a_row >= PATIENCE_WITH_INFINITY:
                raise CaloforgeError(
                    f"The loss or its gradient has not been finite in {PATIENCE_WITH_INFINITY} updates in a row up to "
                    f"step {position.step + 1}; take a lower learning_rate or set clip_norm."
                )
        optimizer.zero_grad(set_to_none=True)
        position.step += 1

    def _after_update(self, bar: ProgressBar, signals: Signals) -> None:
        position, settings = self.position, self.settings
        step = position.step
        whole_epoch, end = step % self.per_epoch == 0, step == self.total
        key = f"train/{self.moving[0].name}/loss" if len(self.owned) > 1 else "train/loss"
        bar.update(step, (step - 1) // self.per_epoch + 1, _means(position.since_log).get(key))
        for callback in self.callbacks:
            callback.on_step(self._moment(_means(position.since_log)))
        if step % settings.log_every == 0 or end:
            if self.fabric.is_global_zero:
                self.log.write(step, {"epoch": step / self.per_epoch, **_means(position.since_log)})
            position.since_log = {}
        improved = False
        if end or (whole_epoch if settings.validate_every is None else step % settings.validate_every == 0):
            improved = self._validate(key, bar)
        out_of_patience = self.judged and settings.patience is not None and position.unimproved >= settings.patience
        position.ended = end or out_of_patience
        due = whole_epoch if settings.checkpoint_every is None else step % settings.checkpoint_every == 0
        if due or improved or position.ended or signals.save:
            signals.save = False
            self._save()

    def _validate(self, key: str, bar: ProgressBar) -> bool:
        """Judge the model; True where it is the best so far."""
        position = self.position
        row = _means(position.since_validation) | {"step": position.step, "epoch": position.step / self.per_epoch}
        position.since_validation = {}
        self.objective.eval()
        with self.average.in_place() if self.average is not None else nullcontext():
            if self.validation is not None:
                row |= self._validation_numbers(self.validation)
            for callback in self.callbacks:
                callback.on_validation(self._moment(row))
        self._training_mode()
        loss = row.get("validation/loss" if self.validation is not None else key, math.inf)
        best = math.inf if position.best_loss is None else position.best_loss
        improved = not self.judged or (math.isfinite(loss) and loss < best)
        position.unimproved = 0 if improved else position.unimproved + 1
        if improved:
            position.best_step, position.best_loss = position.step, loss if math.isfinite(loss) else None
        position.history.append({name: value for name, value in row.items() if math.isfinite(value)})
        if self.fabric.is_global_zero:
            new = {name: value for name, value in row.items() if name.startswith(("validation/", "epoch"))}
            self.log.write(position.step, new)
        parts = [f"{name} {value:.5g}" for name, value in row.items() if name in (key, "validation/loss")]
        mark = " (best)" if improved else ""
        bar.say(f"step {position.step}, epoch {row['epoch']:.4g}: {', '.join(parts)}{mark}")
        return improved

    @torch.no_grad()
    def _validation_numbers(self, source: BatchSource) -> dict[str, float]:
        world, sums = self.fabric.world_size, dict[str, list[float]]()
        mine = islice(source.epoch(0), self.rank, None, world)
        with closing(self._prepared(pools(mine, 0, self.objective.pool), "validation")) as batches:
            for index, batch in batches:
                _, numbers = self._forward(batch, self.moving[0], "validation", index)
                _add(sums, {f"validation/{name}": value for name, value in numbers.items()}, _rows(batch))
        if world > 1:
            reduced = {name: self.fabric.all_reduce(torch.tensor(pair), reduce_op="sum") for name, pair in sums.items()}
            sums = {name: pair.tolist() for name, pair in reduced.items()}
        return _means(sums)

    def _moment(self, numbers: Mapping[str, float]) -> Moment:
        epoch = (self.position.step - 1) // self.per_epoch
        return Moment(self.position.step, self.total, epoch, dict(numbers), self.objective, self.out, self.log)

    def _save(self) -> None:
        """Checkpoint, resumption and pointers, in the order in which a cut at any place leaves a whole run."""
        position = self.position
        folder = self.out / step_name(position.step)
        if self.fabric.is_global_zero:
            log: dict[str, Any] = {
                name: getattr(position, name) for name in ("step", "best_step", "best_loss", "skipped")
            }
            log |= {"settings": self.settings.as_json(), "history": position.history}
            with self.average.in_place() if self.average is not None else nullcontext():
                texts = {"training.json": json.dumps(log, indent=1), **self.documents}
                save_weights(folder, self.objective.model.state_dict(), texts)
            average = self.average.average if self.average is not None else None
            save_resume(self.out, position, self.objective, self.plain, average, self.frozen)
            self._point()
            spared = {position.step} | ({position.best_step} if position.best_step is not None else set())
            prune(self.out, self.settings.keep, spared)
        self.fabric.barrier()
        for callback in self.callbacks:
            callback.on_checkpoint(self._moment(position.history[-1] if position.history else {}), folder)

    def _point(self) -> None:
        point(self.out, "last", self.position.step)
        if self.position.best_step is not None:
            point(self.out, "best", self.position.best_step)

    def _result(self, interrupted: bool) -> TrainingResult:
        position = self.position
        self.objective.model.load_state_dict(load_weights(self.out))
        self.objective.eval()
        if not interrupted and hasattr(self, "log"):
            for callback in self.callbacks:
                callback.on_end(self._moment(position.history[-1] if position.history else {}))
        return TrainingResult(
            position.best_step if position.best_step is not None else position.step,
            position.best_loss if position.best_loss is not None else math.inf,
            tuple(position.history),
            interrupted,
            position.step,
        )
