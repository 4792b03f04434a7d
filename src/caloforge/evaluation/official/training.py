"""One training of a classifier: the test part chooses the epoch, the validation part is looked at once, at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.evaluation.official.calibration import Performance, calibrated, performance
from caloforge.evaluation.official.networks import network
from caloforge.evaluation.official.settings import ClassifierSettings
from caloforge.evaluation.official.split import Split
from caloforge.randomness import stream_seed

Step = Callable[[int, float | None], None]
"""Called with the number of steps done in this training, and the loss where it is known."""


@dataclass(frozen=True)
class Outcome:
    """What one training found.

    found: AUC and JSD on the validation part; rows: the validation part's rows of the table; probabilities: calibrated,
    of being Geant4, in their order; epoch: the chosen one, from 1; accuracies: on the test part after every epoch.
    """

    found: Performance
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    epoch: int
    accuracies: tuple[float, ...]


def train_once(
    table: Tensor, labels: NDArray[np.float32], split: Split, detector: Detector, settings: ClassifierSettings,
    seed: int, device: str = "cpu", step: Step | None = None,
) -> Outcome:  # fmt: skip
    """Train a fresh network on the inputs `table` (N, features) and labels (N,), 1 for Geant4.

    The weights of the epoch with the best accuracy on the test part are kept, and training stops where that is 1; the
    test part also calibrates. The validation part is touched only after that. The caller's random state is left as
    it was. Raises CaloforgeError where the training diverges.
    """
    with _seeded(stream_seed(seed, "classifier.network"), device):
        module = prepared(network(detector, settings), settings, device)
        target = torch.from_numpy(labels).to(device)
        epoch, accuracies = fit(module, table, target, split, settings, seed, device, step)
        scores = [_logits(module, table, rows, settings, device) for rows in (split.test, split.validation)]
    test, validation = (_sigmoid(values) for values in scores)
    probabilities = calibrated(test, labels[split.test] > 0.5, validation)
    found = performance(probabilities, labels[split.validation] > 0.5)
    return Outcome(found, split.validation, probabilities, epoch, tuple(accuracies))


def prepared(module: nn.Module, settings: ClassifierSettings, device: str) -> nn.Module:
    """The module on its device, in its precision, and in the order of memory that trains fastest there."""
    module = module.to(device=device, dtype=getattr(torch, settings.precision))
    if settings.kind == "resnet" and settings.precision == "float32" and device == "cpu":
        module = module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return module


def fit(
    module: nn.Module, table: Tensor, target: Tensor, split: Split, settings: ClassifierSettings, seed: int,
    device: str, step: Step | None,
) -> tuple[int, list[float]]:  # fmt: skip
    """Train a module in place and leave the weights of its best epoch in it; that epoch, and the accuracies of all.

    target: labels (N,) on the device. Raises CaloforgeError where the training diverges.
    """
    dtype = getattr(torch, settings.precision)
    optimiser = torch.optim.Adam(module.parameters(), lr=settings.learning_rate, fused=True)
    lossy = nn.BCEWithLogitsLoss()
    shuffle = torch.Generator().manual_seed(stream_seed(seed, "classifier.batches"))
    train = torch.from_numpy(split.train)
    truth = target[torch.from_numpy(split.test).to(device)] > 0.5
    best: dict[str, Tensor] = {}
    best_epoch, accuracies, done = 0, [], 0
    for epoch in range(1, settings.epochs + 1):
        module.train()
        for rows in batches(train[torch.randperm(len(train), generator=shuffle)], settings.batch):
            x, y = select(table, rows, device, dtype), target[rows.to(device)].to(dtype)
            optimiser.zero_grad(set_to_none=True)
            loss = lossy(module(x).squeeze(1), y)
            loss.backward()
            optimiser.step()
            done += 1
            if step is not None:
                step(done, float(loss.detach()) if done % 20 == 1 else None)
        logits = _logits(module, table, split.test, settings, device)
        if not np.isfinite(logits).all():
            raise CaloforgeError(
                f"The training of the classifier '{settings.kind}' diverged in epoch {epoch}, expected finite logits; "
                "use a smaller learning_rate, precision float64, or normed 'fixed' where the layers are normalised."
            )
        accuracies.append(float(np.mean((logits > 0) == truth.cpu().numpy())))
        if accuracies[-1] > max(accuracies[:-1], default=-1.0):
            best_epoch, best = epoch, {name: value.clone() for name, value in module.state_dict().items()}
        if accuracies[-1] == 1.0:
            break
    module.load_state_dict(best)
    return best_epoch, accuracies


def batches(rows: Tensor, size: int) -> Iterator[Tensor]:
    """Rows in batches; a single last one joins the batch before, as a batch norm needs two."""
    parts = list(torch.split(rows, size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    yield from parts


def steps_per_epoch(rows: int, size: int) -> int:
    """Number of batches that `batches` makes of so many rows."""
    return max(1, rows // size if rows % size == 1 else -(-rows // size))


def select(table: Tensor, rows: Tensor, device: str, dtype: torch.dtype) -> Tensor:
    """Some rows of the table on the device, in the precision of the training."""
    return torch.index_select(table, 0, rows.to(table.device)).to(device=device, dtype=dtype)


def _logits(
    module: nn.Module, table: Tensor, rows: NDArray[np.int64], settings: ClassifierSettings, device: str
) -> NDArray[np.float64]:
    module.eval()
    dtype = getattr(torch, settings.precision)
    with torch.inference_mode():
        parts = [
            module(select(table, some, device, dtype)).squeeze(1).double().cpu()
            for some in torch.split(torch.from_numpy(rows), settings.batch)
        ]
    return torch.cat(parts).numpy()


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(torch.sigmoid(torch.from_numpy(logits)).numpy(), dtype=np.float64)


@contextmanager
def _seeded(seed: int, device: str) -> Iterator[None]:
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
