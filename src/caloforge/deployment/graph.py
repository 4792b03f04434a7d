"""The whole generation as one module of tensors: incident energy and noise by name in, MeV per voxel out.

It is the shower model itself with splines as plain arithmetic; nothing random is inside.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from caloforge import __version__
from caloforge.deployment.export_spline import PlainSpline
from caloforge.deployment.export_walk import UnrolledWalk, walk_steps
from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.generative.autoregressive import Autoregressive
from caloforge.generative.contracts import Noise, draw_noise
from caloforge.generative.flow import Flow
from caloforge.generative.flow_matching import OdeSettings, VelocityField
from caloforge.generative.solver import RungeKutta
from caloforge.generative.univariate import Spline
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.sampling import chosen_sampler
from caloforge.models.shower_model import ShowerModel
from caloforge.nn.attention import SelfAttention
from caloforge.nn.mlp import MLP
from caloforge.nn.patches import PatchEmbedding, PatchOutput
from caloforge.randomness import stream_seed

ENERGY = "incident_energy_mev"
OUTPUT = "deposits_mev"
WALK_STEPS = 400
"""Steps that all walks of a model may take together; every one of them is some sixty nodes of the graph."""

_BLOCKS = (MLP, nn.Linear, SelfAttention, PatchEmbedding, PatchOutput)


@dataclass(frozen=True)
class About:
    """What is told with an exported model: where it comes from and the incident energies (MeV) that it learned."""

    detector: Detector
    incident_range_mev: tuple[float, float]
    recipe: str = ""
    weights_sha256: str = ""
    sampler: Mapping[str, Any] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """The same as plain values that go to JSON."""
        return {
            "caloforge": __version__,
            "recipe": self.recipe,
            "weights_sha256": self.weights_sha256,
            "detector": self.detector.name,
            "detector_fingerprint": self.detector.fingerprint(),
            "n_voxels": self.detector.n_voxels,
            "incident_range_mev": list(self.incident_range_mev),
            "units": {ENERGY: "MeV", OUTPUT: "MeV"},
            "sampler": dict(self.sampler),
        }


class GenerationModule(nn.Module):
    """Deposits (N, V) in MeV from positional tensors in the order of `inputs`: incident energies (N, 1) or (N,) in MeV,
    then every noise that the model declares, (N, *shape).

    model: a shower model; a copy is kept whose splines are plain arithmetic. settings: of its sampling. about: what is
    told with it. Raises CaloforgeError for a model that cannot be one graph, naming the part: a walk over too many
    features, a solver whose steps depend on the data, noise without a fixed size.

    >>> module = generation_module(checkpoint_folder("calogan-student"))
    >>> module(*module.example(2).values()).shape
    torch.Size([2, 504])
    """

    def __init__(
        self, model: ShowerModel, about: About, settings: OdeSettings | None = None, *, expressed: bool = True
    ) -> None:
        super().__init__()
        self.about, self.settings = about, settings
        self.laws = fixed_noise(model)
        self.n_voxels = model.detector.n_voxels
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        if not expressed:
            return
        _check_walks(model)
        _check_solver(model, settings)
        for part in list(self.model.modules()):
            if isinstance(part, Flow):
                for number, block in enumerate(part.blocks):
                    part.blocks[number] = _expressed(cast(Autoregressive, block))

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Name of every input and its shape without the batch, in order."""
        return {ENERGY: (1,), **{name: noise.shape for name, noise in self.laws.items()}}

    @property
    def output(self) -> str:
        """Name of the output."""
        return OUTPUT

    def example(self, n: int, seed: int = 0) -> dict[str, Tensor]:
        """Inputs of n showers: incident energies log-uniform within the trained range, noise of the declared laws."""
        generator = torch.Generator().manual_seed(stream_seed(seed, "export-example"))
        low, high = (torch.tensor(end, dtype=torch.float64).log() for end in self.about.incident_range_mev)
        energy = torch.exp(low + (high - low) * torch.rand(n, 1, generator=generator, dtype=torch.float64)).float()
        return {ENERGY: energy, **draw_noise(self.laws, n, generator)}

    def metadata(self) -> dict[str, Any]:
        """What is told with the exported model, as plain values."""
        laws = {name: {"shape": list(noise.shape), "law": noise.law} for name, noise in self.laws.items()}
        return {**self.about.metadata(), "noise": laws, "inputs": {k: list(v) for k, v in self.inputs.items()}}

    def forward(self, *inputs: Tensor) -> Tensor:
        """Deposits (N, V) in MeV."""
        named = dict(zip(self.inputs, inputs, strict=True))
        condition = {ENERGY: named.pop(ENERGY).reshape(-1)}
        return self.model.decode(named, condition, self.settings)


class WithBlocks(nn.Module):
    """A module's output and the results of its blocks in the order in which they are computed: a tuple of tensors.

    `names` are the blocks' names, filled by the first call. It is for finding where two runtimes part.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.names: list[str] = []

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """(output, first block, second block, ...)."""
        found: list[tuple[str, Tensor]] = []
        undo = _listen(self.module, found)
        try:
            out = self.module(*inputs)
        finally:
            for stop in undo:
                stop()
        self.names = _numbered([name for name, _ in found])
        return out, *(tensor for _, tensor in found)


def generation_module(
    checkpoint: Path | str,
    *,
    solver: str | None = None,
    steps: int | None = None,
    precision: torch.dtype = torch.float32,
    expressed: bool = True,
) -> GenerationModule:
    """The generation of a checkpoint folder as one module.

    solver, steps: of models that are integrated, instead of the recipe's. precision: to which the weights of dense
    layers are rounded. expressed: as in `GenerationModule`. Raises CaloforgeError for a folder that is no
    checkpoint and for a model that cannot be one graph.
    """
    model, recipe, provenance = load_checkpoint(checkpoint)
    if precision != torch.float32:
        for part in model.modules():
            if isinstance(part, nn.Linear):
                part.weight.data = part.weight.data.to(precision).float()
    sampler = chosen_sampler(recipe.model_of(str(provenance["stage"])), solver, steps, recipe.name)
    low, high = (float(end) for end in provenance["incident_range_mev"])
    about = About(
        model.detector,
        (low, high),
        recipe.name,
        str(provenance.get("weights_sha256", "")),
        {} if sampler is None else sampler.model_dump(),
    )
    return GenerationModule(model, about, None if sampler is None else sampler.settings(), expressed=expressed)


def fixed_noise(model: ShowerModel) -> dict[str, Noise]:
    """The noise of a model by name; raises CaloforgeError where a shape is not fixed before any shower is known."""
    try:
        laws = model.noise()
    except (KeyError, TypeError, AttributeError) as error:
        raise CaloforgeError(
            f"The model's noise depends on its condition ({error}), so that its inputs have no fixed size; export a "
            "model whose noise() is the same for every shower."
        ) from error
    for name, noise in laws.items():
        if not all(isinstance(size, int) and size > 0 for size in noise.shape):
            raise CaloforgeError(
                f"The noise '{name}' has the shape {noise.shape}, which is not fixed; export a model with a latent of "
                "fixed size."
            )
    return laws


def _expressed(block: Autoregressive) -> nn.Module:
    """A block of a flow in operators that every runtime has."""
    spline = block.univariate
    if isinstance(spline, Spline):
        block.univariate = PlainSpline(spline.bins, spline.tail_bound, spline.min_bin, spline.min_derivative)
    return block if block.reverse else UnrolledWalk(block)


def _check_walks(model: ShowerModel) -> None:
    counts = {}
    for name, part in model.named_modules():
        if isinstance(part, Autoregressive) and not part.reverse:
            counts[name] = len(walk_steps(part))
    if sum(counts.values()) <= WALK_STEPS:
        return
    worst = max(counts, key=counts.__getitem__).rpartition(".blocks.")[0]
    raise CaloforgeError(
        f"'{worst}' is a masked flow, which generates by a walk over its features: {sum(counts.values())} steps in the "
        f"model, of which a graph can hold {WALK_STEPS}; export its student (direction: inverse), or generate with "
        "caloforge.deployment.fast.FastShowers."
    )


def _check_solver(model: ShowerModel, settings: OdeSettings | None) -> None:
    for name, part in model.named_modules():
        if isinstance(part, VelocityField):
            solver = (settings or part.settings).solver
            if not isinstance(solver, RungeKutta):
                raise CaloforgeError(
                    f"'{name}' is integrated by {type(solver).__name__}, whose steps depend on the data; give "
                    "--solver with fixed steps, for example --solver heun --steps 16."
                )


def _listen(module: nn.Module, found: list[tuple[str, Tensor]]) -> list[Callable[[], None]]:
    """Have every block of a module add its result to `found`; gives what undoes that."""
    undo: list[Callable[[], None]] = []
    for name, part in module.named_modules():
        name = name.removeprefix("module.").removeprefix("model.")
        if isinstance(part, _BLOCKS):

            def heard(_: nn.Module, __: Any, result: Any, name: str = name) -> None:
                found.append((name, result))

            undo.append(part.register_forward_hook(heard).remove)
        elif isinstance(part, Flow):
            for number, block in enumerate(part.blocks):
                undo.append(_wrapped(block, "inverse", f"{name}.blocks.{number}", found))
        if hasattr(part, "write") and hasattr(part, "context") and "." not in name.removeprefix("factors."):
            undo.append(_wrapped(part, "context", f"{name}.context", found))
            undo.append(_wrapped(part, "write", name, found))
    return undo


def _wrapped(part: Any, method: str, name: str, found: list[tuple[str, Tensor]]) -> Callable[[], None]:
    """Replace a method by one that also adds its result to `found`; gives what undoes that."""
    whole = getattr(part, method)

    def heard(*arguments: Any, **named: Any) -> Any:
        result = whole(*arguments, **named)
        if isinstance(result, dict):
            kept = {key: value for key, value in result.items() if key != "mismatch"}
            found.extend((f"{name}.{key}", value) for key, value in kept.items())
        else:
            found.append((name, result))
        return result

    part.__dict__[method] = heard
    return lambda: part.__dict__.pop(method)


def _numbered(names: list[str]) -> list[str]:
    """Names made different by a number where a block is used more than once, as in the steps of a solver."""
    used: dict[str, int] = {}
    result = []
    for name in names:
        used[name] = used.get(name, 0) + 1
        result.append(name if names.count(name) == 1 else f"{name} (call {used[name]})")
    return result
