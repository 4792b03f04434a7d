"""A trained shower model: incident energies and noise in, MeV per voxel out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caloforge.errors import CaloforgeError
from caloforge.timing.work import Draw, Product, Work

if TYPE_CHECKING:
    import torch
    from torch import nn

    from caloforge.models.shower_model import ShowerModel

ENERGY = "incident_energy_mev"


class Checkpoint(Work):
    """The generation of a checkpoint folder; `module` is what is exported, `eager` what `generate` uses."""

    kind = "checkpoint"
    tolerance = 5e-3

    def __init__(self, folder: Path, document: Mapping[str, Any]) -> None:
        super().__init__(folder)
        self.place = Path(document["folder"])
        self.name = self.place.name
        self.inputs = {
            name: Draw(tuple(shape), law, low, high) for name, (shape, law, low, high) in document["inputs"].items()
        }
        self.outputs = int(document["outputs"])
        self.products = [Product(*product) for product in document["products"]]
        self.training_seconds = document["training_seconds"]

    def model(self) -> ShowerModel:
        """The shower model itself."""
        from caloforge.models.checkpoint import load_checkpoint

        return load_checkpoint(self.place)[0]

    def module(self) -> nn.Module:
        """Splines as plain arithmetic; raises CaloforgeError for a model that cannot be one graph."""
        from caloforge.deployment.graph import generation_module

        return generation_module(self.place).eval()

    def eager(self) -> nn.Module:
        """With our kernels, as `caloforge generate` runs it."""
        from caloforge.deployment.graph import generation_module

        try:
            module = generation_module(self.place)
        except CaloforgeError:
            return _positional(self.model(), list(self.inputs))
        module.model = self.model()
        return module.eval()

    def trusted(self) -> nn.Module:
        """What is exported where it can be, else what `generate` uses."""
        try:
            return self.module()
        except CaloforgeError:
            return self.eager()


def _positional(model: ShowerModel, names: list[str]) -> nn.Module:
    """The model's decode as a module of its inputs in order."""
    from torch import Tensor, nn

    class Positional(nn.Module):
        """Deposits (N, V) in MeV."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Tensor) -> Tensor:
            """Incident energies (N, 1) in MeV, then every noise."""
            named = dict(zip(names, inputs, strict=True))
            energy = named.pop(ENERGY).reshape(-1)
            return self.model.decode(named, {ENERGY: energy})

    return Positional().eval()


def described(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a checkpoint with what other processes need to know without loading it.

    Raises CaloforgeError for a folder that is no checkpoint and for a model without a fixed latent size.
    """
    from caloforge.deployment.graph import fixed_noise, generation_module
    from caloforge.models.checkpoint import load_checkpoint

    place = Path(document["folder"])
    model, _, provenance = load_checkpoint(place)
    low, high = (float(end) for end in provenance["incident_range_mev"])
    inputs: dict[str, Any] = {ENERGY: ((1,), "log", low, high)}
    inputs |= {name: (noise.shape, noise.law, 0.0, 1.0) for name, noise in fixed_noise(model).items()}
    seconds = sum(float(stage.get("seconds", 0.0)) for stage in provenance.get("stages", {}).values())
    try:
        module = generation_module(place)
        found = products(module, lambda n: tuple(module.example(n).values()))
    except CaloforgeError:
        found = _every_layer_once(model)
    return {
        **document,
        "inputs": inputs,
        "outputs": model.detector.n_voxels,
        "training_seconds": seconds or None,
        "products": found,
    }


def _every_layer_once(model: nn.Module) -> list[tuple[int, int, int]]:
    """The products of all dense layers, each used once: for walks through a flow, which take the time of one pass."""
    weights = [getattr(part, "weight", None) for part in model.modules()]
    return [(1, w.shape[1], w.shape[0]) for w in weights if w is not None and w.ndim == 2]


def products(module: nn.Module, example: Callable[[int], tuple[torch.Tensor, ...]]) -> list[tuple[int, int, int]]:
    """The products of dense layers and of attention as (rows of one shower, inputs, outputs); what masks switch off in
    whole blocks is left out, as in PyTorch."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    learned = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}

    class Listen(TorchDispatchMode):  # type: ignore[no-untyped-call]
        """Writes down the shapes of products."""

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.found: list[tuple[int, int, int]] = []

        def __torch_dispatch__(
            self, function: Any, types: Any, arguments: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None
        ) -> Any:
            self.found += _shapes(str(function), arguments, learned)
            return function(*arguments, **(keywords or {}))

    few, more = 3, 6
    counts = []
    for n in (few, more):
        with torch.no_grad(), Listen() as listen:
            module(*example(n))
        counts.append(listen.found)
    return [
        (rows // few, inputs, outputs)
        for (rows, inputs, outputs), (twice, _, _) in zip(*counts, strict=True)
        if twice == 2 * rows and rows % few == 0
    ]


def _shapes(function: str, arguments: tuple[Any, ...], learned: set[int]) -> list[tuple[int, int, int]]:
    """(rows, inputs, outputs) of the products of one operator; products with constants, as in a spline's knots, are
    no layers."""
    kind = function.split(".")[1]
    if kind == "staircase_linear":
        x, _, _, _, plan = arguments
        steps = [plan[i : i + 4] for i in range(0, len(plan), 4)]
        return [(len(x), seen, end - begin) for begin, end, _, seen in steps]
    if kind in ("addmm", "baddbmm"):
        a, b = arguments[1:3]
    elif kind == "bmm" or (kind == "mm" and arguments[1].untyped_storage().data_ptr() in learned):
        a, b = arguments[:2]
    else:
        return []
    return [(a.numel() // a.shape[-1], int(a.shape[-1]), int(b.shape[-1]))]
