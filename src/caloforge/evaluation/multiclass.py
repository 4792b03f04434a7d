"""Which generator do Geant4's showers look like? The log posterior of a classifier of many classes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from caloforge.errors import CaloforgeError
from caloforge.evaluation.feature_pairs import Features, Floats, checked_pair
from caloforge.randomness import numpy_generator, stream_seed

FEWEST = 10


@dataclass(frozen=True)
class MulticlassSettings:
    """The network and its training.

    hidden, layers: width and number of the hidden layers (LeakyReLU); dropout; learning_rate and batch of Adam with
    weight_decay; epochs; held_out: share of every file that is not trained on, by whose loss the epoch is chosen.
    """

    hidden: int = 512
    layers: int = 2
    dropout: float = 0.1
    learning_rate: float = 5e-4
    weight_decay: float = 1e-4
    batch: int = 500
    epochs: int = 30
    held_out: float = 0.25

    def __post_init__(self) -> None:
        counts = min(self.hidden, self.layers, self.batch, self.epochs)
        if counts < 1 or not 0 < self.held_out < 1 or not 0 <= self.dropout < 1 or self.learning_rate <= 0:
            raise CaloforgeError(
                f"{self} cannot be trained, expected hidden, layers, batch and epochs from 1 on, held_out between 0 "
                "and 1, dropout from 0 to below 1 and a positive learning_rate; change these."
            )


@dataclass(frozen=True)
class Multiclass:
    """Mean log posterior of every file over Geant4's showers, and its error (with the spread of seeds in quadrature).

    n: showers of each file, trained on and held out; n_reference: Geant4's; accuracy: share of the held-out showers
    whose file was named; seeds: trainings that were averaged.
    """

    labels: tuple[str, ...]
    log_posterior: Mapping[str, tuple[float, float]]
    n: int
    n_reference: int
    accuracy: float
    seeds: int

    @property
    def uniform(self) -> float:
        """-ln K: the log posterior of K files that cannot be told apart."""
        return -float(np.log(len(self.labels)))

    def as_dict(self) -> dict[str, Any]:
        """For a result file."""
        return {
            "labels": list(self.labels),
            "log_posterior": {name: {"value": v, "error": e} for name, (v, e) in self.log_posterior.items()},
            "n": self.n,
            "n_reference": self.n_reference,
            "uniform": self.uniform,
            "accuracy": self.accuracy,
            "seeds": self.seeds,
        }


def multiclass(
    reference: Features,
    generated: Mapping[str, Features],
    settings: MulticlassSettings | None = None,
    seed: int = 0,
    seeds: int = 3,
) -> Multiclass:
    """Train a network to say which file a shower comes from, and ask it about Geant4's showers.

    reference: features (N, d) of Geant4's showers, which are never trained on; generated: features (M, d) by label, two
    or more files, of which equally many showers take part. The value of a file is the mean of log p(file | shower) over
    Geant4's showers: the highest is closest to Geant4, as in arXiv 2211.11765. Values are comparable only within one
    set of files. The same numbers for the same seed; the caller's random state is left as it was. Raises CaloforgeError
    for fewer than two files or too few showers, and for features that are not finite.
    """
    settings = settings or MulticlassSettings()
    if len(generated) < 2 or seeds < 1:
        raise CaloforgeError(
            f"The log posterior is asked of {len(generated)} file(s) with {seeds} seed(s), expected at least two files "
            "and one seed; name further generated files."
        )
    labels = tuple(generated)
    files = []
    for label, values in generated.items():
        try:
            files.append(checked_pair(reference, values, keep_float32=True)[1])
        except CaloforgeError as error:
            raise CaloforgeError(f"In '{label}': {error}") from error
    known = checked_pair(reference, reference, keep_float32=True)[0]
    n = min(map(len, files))
    if n < FEWEST:
        raise CaloforgeError(
            f"The smallest generated file has {n} showers, expected at least {FEWEST}; give more showers of each."
        )
    means, errors, accuracies = [], [], []
    for index in range(seeds):
        one = stream_seed(seed, "evaluation.multiclass", index)
        log_posterior, accuracy = _train(known, [file[:n] for file in files], settings, one)
        means.append(log_posterior.mean(axis=0))
        errors.append(log_posterior.std(axis=0, ddof=1) / np.sqrt(len(known)))
        accuracies.append(accuracy)
    spread = np.std(means, axis=0, ddof=1) if seeds > 1 else np.zeros(len(labels))
    total = np.hypot(np.mean(errors, axis=0), spread)
    found = {label: (float(v), float(e)) for label, v, e in zip(labels, np.mean(means, axis=0), total, strict=True)}
    return Multiclass(labels, found, n, len(known), float(np.mean(accuracies)), seeds)


def _train(
    known: NDArray[Any], files: list[NDArray[Any]], settings: MulticlassSettings, seed: int
) -> tuple[Floats, float]:
    """Log posteriors (N, K) of the known showers, and the accuracy on what was held out."""
    rng = numpy_generator(seed, "evaluation.multiclass.split")
    held = min(max(1, round(settings.held_out * len(files[0]))), len(files[0]) - 1)
    orders = [rng.permutation(len(file)) for file in files]
    parts = [(file[order[held:]], file[order[:held]]) for file, order in zip(files, orders, strict=True)]
    train, test = (np.concatenate([part[side] for part in parts]).astype(np.float64) for side in (0, 1))
    centre, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale <= 1e-12 * np.abs(centre)] = 1.0

    def tensor(values: NDArray[Any]) -> torch.Tensor:
        return torch.as_tensor(((values - centre) / scale).clip(-1e3, 1e3), dtype=torch.float32)

    x, y = tensor(train), torch.arange(len(files)).repeat_interleave(len(files[0]) - held)
    x_test, y_test = tensor(test), torch.arange(len(files)).repeat_interleave(held)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(x.shape[1], len(files), settings)
        optimiser = torch.optim.Adam(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        lossy, best, kept = nn.CrossEntropyLoss(), np.inf, copy.deepcopy(network.state_dict())
        for _ in range(settings.epochs):
            network.train()
            for rows in torch.split(torch.randperm(len(x)), settings.batch):
                loss = lossy(network(x[rows]), y[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
            network.eval()
            with torch.no_grad():
                now = float(lossy(network(x_test), y_test))
            if now < best:
                best, kept = now, copy.deepcopy(network.state_dict())
        network.load_state_dict(kept)
        network.eval()
        with torch.no_grad():
            accuracy = float((network(x_test).argmax(dim=1) == y_test).double().mean())
            batches = torch.split(tensor(known), 10_000)
            logs = torch.cat([torch.log_softmax(network(part).double(), dim=1) for part in batches])
    return logs.numpy(), accuracy


def _network(features: int, classes: int, settings: MulticlassSettings) -> nn.Module:
    layers: list[nn.Module] = []
    width = features
    for _ in range(settings.layers):
        layers += [nn.Linear(width, settings.hidden), nn.LeakyReLU(0.01), nn.Dropout(settings.dropout)]
        width = settings.hidden
    return nn.Sequential(*layers, nn.Linear(width, classes))
