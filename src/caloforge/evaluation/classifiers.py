"""The classifiers of the panel: each is trained on some showers and scores others with a logit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Floats = NDArray[np.floating]
Labels = NDArray[np.bool_]
Indices = NDArray[np.int64]

HIDDEN, DROPOUT, WEIGHT_DECAY, LEARNING_RATE, BATCH = 256, 0.2, 1e-2, 1e-3, 100


def tree_scores(train: Floats, labels: Labels, test: Floats, seed: int) -> NDArray[np.float64]:
    """Logits of gradient-boosted trees (scikit-learn's histogram kind) on features (N, D)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=20, l2_regularization=1.0,
        early_stopping=False, random_state=seed % 2**31,
    )  # fmt: skip
    return np.asarray(trees.fit(train, labels).decision_function(test), dtype=np.float64)


def group(symmetries: Sequence[Indices]) -> list[Indices]:
    """Column orders of [log10 E_inc, voxels] under each symmetry of the voxels, the identity first."""
    if not symmetries:
        return []
    identity = np.arange(len(symmetries[0]) + 1, dtype=np.int64)
    return [identity, *(np.concatenate([[0], permutation + 1]) for permutation in symmetries)]


def _one_cycle(progress: float) -> float:
    """Learning rate relative to its largest: a linear rise in the first 30 %, then half a cosine down to zero."""
    if progress < 0.3:
        return 0.04 + 0.96 * progress / 0.3
    return float(0.5 * (1 + np.cos(np.pi * (progress - 0.3) / 0.7)))


def network_scores(
    train: Floats, labels: Labels, test: Floats, seed: int, epochs: int = 30, copies: Sequence[Indices] = (),
    precision: Literal["float32", "float64"] = "float32",
) -> NDArray[np.float64]:  # fmt: skip
    """Logits of an MLP of three hidden layers of 256 with dropout and weight decay on standardised input (N, D).

    copies: column orders that are symmetries of the showers; each training shower is shown in a copy drawn at random,
    and a shower's score is the mean over its copies. precision: of weights and arithmetic, from the same first weights.
    The caller's random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dtype = getattr(torch, precision)
        x, y = torch.as_tensor(train, dtype=dtype), torch.as_tensor(labels, dtype=dtype)
        unseen = torch.as_tensor(test, dtype=dtype)
        orders = [torch.as_tensor(order) for order in copies]
        pool = torch.cat([x[:, order] for order in orders]) if orders and x.numel() < 2e7 else x
        mean, spread = pool.mean(dim=0), pool.std(dim=0)
        del pool
        spread = torch.where(spread > 1e-12, spread, torch.ones((), dtype=dtype))
        width = x.shape[1]
        layers: list[nn.Module] = []
        for _ in range(3):
            layers += [nn.Linear(width, HIDDEN), nn.LeakyReLU(0.01), nn.Dropout(DROPOUT)]
            width = HIDDEN
        network = nn.Sequential(*layers, nn.Linear(width, 1)).to(dtype)
        steps = max(1, -(-len(x) // BATCH))
        optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
        lossy = nn.BCEWithLogitsLoss()
        network.train()
        for epoch in range(epochs):
            for step, rows in enumerate(torch.split(torch.randperm(len(x)), BATCH)):
                rate = _one_cycle((epoch * steps + step) / (epochs * steps))
                optimiser.param_groups[0]["lr"] = LEARNING_RATE * rate
                batch = x[rows]
                if orders:
                    batch = batch[:, orders[int(torch.randint(len(orders), ()))]]
                loss = lossy(network((batch - mean) / spread).squeeze(1), y[rows])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
        network.eval()
        with torch.no_grad():
            views = [unseen[:, order] for order in orders] or [unseen]
            logits = torch.stack([network((view - mean) / spread).squeeze(1) for view in views]).mean(dim=0)
    return logits.double().numpy()
