"""The exact coupling beside POT's solver, as it is and as torchcfm calls it, and beside lapx and OTT-JAX.

Batches of 256, 1024 and 4096 normal noises and showers of 504 voxels (log energies of the showers that come along,
blurred where they repeat). Every time includes the matrix of squared distances, made by the same product for all;
the time of that alone is printed. POT's is ot.emd; torchcfm's is what its OTPlanSampler does, distances in float64
included, and where torchcfm itself is not installed, those steps are taken from its description. lapx and OTT-JAX
(Sinkhorn, the only solver of general costs that it has) are shown where they are installed; a regularised plan is no
exact one, so that OTT-JAX is not counted. Then the training step of the small DiT for CaloGAN at batch 1024, torch on
one thread: with the coupling made ahead by one worker, over the same with independent noise.

    python benchmarks/ot_coupling.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from statistics import median

import numpy as np
import ot
import torch
from harness import Goals, quick, setting, spread
from torch import Tensor

from caloforge.detectors import load_detector
from caloforge.generative.coupling import Coupling, ExactOT, Independent
from caloforge.generative.flow_matching import FlowMatching, VelocityField
from caloforge.generative.transport_cost import centred_products
from caloforge.models.build import build
from caloforge.models.recipe import load_recipe
from caloforge.showers import open_showers
from caloforge.training import Callback, TensorBatches, TrainingSettings, train

SIZES, GOALS = (256, 1024, 4096), {1024: 3.0, 4096: 5.0}
STEP_BATCH, STEP_GOAL, SAME_COST = 1024, 1.05, 1e-6


def showers(n: int) -> Tensor:
    """n showers as standardised log energies (n, 504)."""
    with resources.as_file(resources.files("caloforge.data") / "calogan_positrons_training.hdf5") as path:
        source = open_showers(path)
        deposits = source.read_rows(np.arange(min(n, len(source)))).deposits_mev
    rng = np.random.default_rng(0)
    x = np.log(np.maximum(deposits[rng.permutation(np.arange(n) % len(deposits))], 0.0) + 0.1)
    x = (x - x.mean(0)) / x.std() + 0.05 * rng.normal(size=x.shape)
    return torch.from_numpy(x.astype(np.float32))


def distances(data: Tensor, noise: Tensor) -> np.ndarray:
    """Squared distances (N, N) in float32, the norms that no permutation changes left out."""
    return centred_products(data, noise).mul_(-2.0).numpy()


def ours(data: Tensor, noise: Tensor) -> np.ndarray:
    """The coupling of caloforge: noise of every datum."""
    return ExactOT().order(noise, data, {}, np.random.default_rng(0)).numpy()


def pot(data: Tensor, noise: Tensor) -> np.ndarray:
    """POT's exact plan over the same matrix."""
    uniform = ot.unif(len(data))
    return np.asarray(
        ot.emd(uniform, uniform, distances(data, noise).astype(np.float64), numItermax=10_000_000)
    ).argmax(1)


def torchcfm(data: Tensor, noise: Tensor) -> np.ndarray:
    """torchcfm's OTPlanSampler.get_map: distances by torch.cdist, squared, then ot.emd (its sampling not counted)."""
    if importlib.util.find_spec("torchcfm"):
        from torchcfm.optimal_transport import OTPlanSampler

        return np.asarray(OTPlanSampler("exact", num_threads=1).get_map(data, noise)).argmax(1)
    uniform = ot.unif(len(data))
    cost = torch.cdist(data, noise).square().numpy()
    return np.asarray(ot.emd(uniform, uniform, cost, numItermax=10_000_000)).argmax(1)


def lapx(data: Tensor, noise: Tensor) -> np.ndarray:
    """lapx's Jonker-Volgenant over the same matrix."""
    import lap

    return np.asarray(lap.lapjv(distances(data, noise), return_cost=False)[0])


def ott(data: Tensor, noise: Tensor) -> np.ndarray:
    """OTT-JAX's Sinkhorn at a hundredth of the mean cost, and the most likely noise of every datum."""
    import jax.numpy as jnp
    from ott.geometry.pointcloud import PointCloud
    from ott.solvers.linear import solve

    return np.asarray(solve(PointCloud(jnp.asarray(data.numpy()), jnp.asarray(noise.numpy()))).matrix).argmax(1)


def cost(data: Tensor, noise: Tensor, order: np.ndarray) -> float:
    """Mean squared distance of the pairs, in float64."""
    return float((noise[torch.from_numpy(order)].double() - data.double()).square().sum(1).mean())


def compare(goals: Goals, short: bool) -> None:
    """All sizes and both kinds of data."""
    peers: dict[str, Callable[[Tensor, Tensor], np.ndarray]] = {"ours": ours, "POT": pot, "torchcfm": torchcfm}
    if importlib.util.find_spec("lap"):
        peers["lapx"] = lapx
    if importlib.util.find_spec("ott"):
        peers["OTT-JAX"] = ott
    generator = torch.Generator().manual_seed(0)
    for n in SIZES:
        noise = torch.randn(n, 504, generator=generator)
        for kind, data in (("normal data", torch.randn(n, 504, generator=generator)), ("showers", showers(n))):
            if n == 4096 and short and kind == "normal data":
                continue
            chosen = {name: run for name, run in peers.items() if not (short and n == 4096 and name == "torchcfm")}
            repeats = 1 if n == 4096 else (3 if short else 9)
            times: dict[str, list[float]] = {name: [] for name in ("distances", *chosen)}
            orders: dict[str, np.ndarray] = {}
            for _ in range(repeats if n < 4096 or short else 3):
                start = time.perf_counter()
                distances(data, noise)
                times["distances"].append(time.perf_counter() - start)
                for name, run in chosen.items():
                    start = time.perf_counter()
                    orders[name] = run(data, noise)
                    times[name].append(time.perf_counter() - start)
            print(f"{n}, {kind}: " + ", ".join(f"{name} {spread(value)}" for name, value in times.items()))
            best = cost(data, noise, orders["ours"])
            exact = [name for name in chosen if name != "OTT-JAX"]
            worst = max(abs(cost(data, noise, orders[name]) / best - 1.0) for name in exact)
            goals.at_most(f"relative difference of cost, {n}, {kind}", worst, SAME_COST)
            fastest = min(median(times[name]) for name in ("POT", "torchcfm") if name in times)
            ratio = fastest / median(times["ours"])
            if n in GOALS:
                goals.at_least(f"times faster than the faster of POT and torchcfm, {n}, {kind}", ratio, GOALS[n])
            if "lapx" in times:
                print(f"  {median(times['lapx']) / median(times['ours']):.1f} times faster than lapx")


class Clock(Callback):
    """Seconds of every step but the first."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.last = 0.0

    def on_step(self, moment) -> None:  # type: ignore[no-untyped-def]
        """The time since the step before."""
        now = time.perf_counter()
        if moment.step > 1:
            self.seconds.append(now - self.last)
        self.last = time.perf_counter()


def step_seconds(coupling: Coupling, steps: int) -> list[float]:
    """Steps of the training loop for the small DiT, one worker ahead."""
    recipe = load_recipe("flow-matching-calogan-small")
    detector = load_detector(recipe.detector)
    factor = dict(build(recipe.model, detector).named_factors())["voxels"]
    torch.manual_seed(0)
    data = showers(STEP_BATCH)
    assert isinstance(factor.model, VelocityField)
    context = torch.randn(STEP_BATCH, factor.model.network.context_features)
    batches = TensorBatches({"x": data, "context": context}, STEP_BATCH)
    clock = Clock()
    settings = TrainingSettings(epochs=steps + 1, threads=1, workers=1, tensorboard=False, validate_every=10**9,
                                checkpoint_every=10**9)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        train(FlowMatching(factor.model, coupling=coupling), batches, settings, folder, callbacks=[clock], show=False)
    return clock.seconds


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    short = quick(__doc__)
    packages = ["caloforge", "torch", "numba", "POT"]
    packages += [name for name, module in (("lapx", "lap"), ("torchcfm", "torchcfm"), ("ott-jax", "ott"))
                 if importlib.util.find_spec(module)]  # fmt: skip
    print(setting(packages))
    goals = Goals("ot_coupling")
    ours(torch.randn(8, 2), torch.randn(8, 2))
    compare(goals, short)
    times: dict[str, list[float]] = {"independent": [], "exact": []}
    for _ in range(1 if short else 5):
        times["independent"] += step_seconds(Independent(), 2 if short else 3)
        times["exact"] += step_seconds(ExactOT(), 2 if short else 3)
    print(f"training step of the small DiT, batch {STEP_BATCH}: "
          + ", ".join(f"{name} {spread(value)}" for name, value in times.items()))  # fmt: skip
    ratio = median(times["exact"]) / median(times["independent"])
    goals.at_most("training step with exact over independent coupling", ratio, STEP_GOAL)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
