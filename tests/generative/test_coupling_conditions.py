"""Where the condition moves the data, plain transport spoils p(noise | condition) and so what is generated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm, wasserstein_distance

from caloforge.errors import CaloforgeError
from caloforge.generative import ConditionalOT, Coupling, ExactOT, Independent

DISCRETE, CONTINUOUS = "discrete", "continuous"


def _paired(coupling: Coupling, kind: str, n: int = 128, batches: int = 100) -> tuple[np.ndarray, ...]:
    """Condition, noise and data of many batches: x = 2 c + 0.5 e, c two values or uniform in [-1, 1]."""
    rng, parts = np.random.default_rng(0), []
    for _ in range(batches):
        c = rng.integers(0, 2, n) * 2.0 - 1.0 if kind == DISCRETE else rng.uniform(-1.0, 1.0, n)
        x, z = 2.0 * c + 0.5 * rng.normal(size=n), rng.normal(size=n)
        noise, data, condition = (torch.from_numpy(value[:, None]) for value in (z, x, c))
        order = coupling.order(noise, data, {"c": condition}, rng)
        parts.append((c, z[order.numpy()], x))
    c, z, x = (np.concatenate(part) for part in zip(*parts, strict=True))
    return c, z, x


def _generated(z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What a perfectly trained flow makes of fresh noise: in one dimension the monotone map from paired z to x."""
    return np.interp(norm.ppf((np.arange(2000) + 0.5) / 2000), np.sort(z), np.sort(x))


@pytest.mark.parametrize("kind", [DISCRETE, CONTINUOUS])
def test_plain_transport_is_biased(kind: str) -> None:
    c, z, x = _paired(ExactOT(), kind)
    chosen = c > 0.9
    assert z[chosen].mean() > 0.7 and kstest(z[chosen], "norm").pvalue < 1e-100
    assert wasserstein_distance(_generated(z[chosen], x[chosen]), x[chosen]) > 0.8
    assert kstest(z, "norm").pvalue > 0.01  # over all conditions nothing shows


@pytest.mark.parametrize(
    ("coupling", "kind"),
    [
        (Independent(), DISCRETE),
        (ConditionalOT(0.0, ("c",)), DISCRETE),
        (ConditionalOT(), DISCRETE),
        (Independent(), CONTINUOUS),
        (ConditionalOT(), CONTINUOUS),
    ],
    ids=repr,
)
def test_the_condition_in_the_cost_keeps_the_noise_normal(coupling: Coupling, kind: str) -> None:
    c, z, x = _paired(coupling, kind)
    chosen = c > 0.9
    assert kstest(z[chosen], "norm").pvalue > 0.01
    assert wasserstein_distance(_generated(z[chosen], x[chosen]), x[chosen]) < 0.06
    if not isinstance(coupling, Independent):
        free = _paired(Independent(), kind)
        assert ((z - x) ** 2).mean() < 0.85 * ((free[1] - free[2]) ** 2).mean()


def test_more_weight_less_bias() -> None:
    means = []
    for weight in (0.0, 1.0, 10.0, 100.0):
        c, z, _ = _paired(ConditionalOT(weight), CONTINUOUS, batches=30)
        means.append(abs(z[c > 0.9].mean()))
    assert means[0] > means[1] > means[2] > means[3]


def test_transport_is_exact_inside_classes_and_never_between() -> None:
    rng, g = np.random.default_rng(0), torch.Generator().manual_seed(0)
    noise, data = torch.randn(90, 4, generator=g), torch.randn(90, 4, generator=g)
    condition = {"a": torch.randint(0, 2, (90,), generator=g), "b": torch.randint(0, 3, (90, 1), generator=g) * 0.5}
    order = ConditionalOT(0.0, ("a", "b")).order(noise, data, condition, rng)
    for name in condition:
        assert torch.equal(condition[name][order], condition[name])
    for a in (0, 1):
        rows = torch.nonzero((condition["a"] == a) & (condition["b"][:, 0] == 0.5))[:, 0]
        alone = ExactOT().order(noise[rows], data[rows], {}, rng)
        assert torch.equal(order[rows], rows[alone])


def test_a_larger_pool_pairs_classes_better() -> None:
    """With as many classes as samples in a batch nothing can be paired, in eight batches at once something can."""
    rng, g = np.random.default_rng(0), torch.Generator().manual_seed(0)
    noise, data = torch.randn(256, 2, generator=g), torch.randn(256, 2, generator=g)
    condition = {"kind": torch.arange(256) % 32}
    coupling = ConditionalOT(0.0, ("kind",))

    def cost(size: int) -> float:
        parts = zip(noise.split(size), data.split(size), condition["kind"].split(size), strict=True)
        return sum(float((z[coupling.order(z, x, {"kind": k}, rng)] - x).square().sum()) for z, x, k in parts)

    assert cost(256) < 0.75 * cost(32)


def test_bad_input() -> None:
    rng, x = np.random.default_rng(0), torch.randn(4, 2)
    with pytest.raises(
        CaloforgeError, match=r"no condition 'particle' for ConditionalOT's classes; it has \['energy'\]"
    ):
        ConditionalOT(1.0, ("particle",)).order(x, x, {"energy": torch.ones(4, 1)}, rng)
    with pytest.raises(CaloforgeError, match="not finite"):
        ConditionalOT(1.0, ("kind",)).order(x, x, {"kind": torch.tensor([0.0, 1.0, float("nan"), 1.0])}, rng)
    with pytest.raises(CaloforgeError, match="finite"):
        ConditionalOT().order(x, x, {"energy": torch.tensor([[0.0], [1.0], [float("nan")], [1.0]])}, rng)
    with pytest.raises(CaloforgeError, match=r"classes='kind'; give a list of names, \['kind'\]"):
        ConditionalOT(1.0, "kind")  # type: ignore[arg-type]
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(CaloforgeError, match=r"weight of ConditionalOT is .*; give a finite number from 0 on"):
            ConditionalOT(weight)
