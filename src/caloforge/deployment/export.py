"""Export of a checkpoint to a runtime: looked over, written, run and compared before it appears."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from caloforge.deployment.agreement import Agreement, agreement, first_difference
from caloforge.deployment.contracts import CONTRACTS, Par04Dit
from caloforge.deployment.folder import OWNER, new_folder
from caloforge.deployment.graph import WithBlocks, generation_module
from caloforge.deployment.lack import listed
from caloforge.deployment.onnx_file import PRECISIONS
from caloforge.deployment.reference import in_double
from caloforge.deployment.runtimes import RUNTIMES, Graph, Runtime
from caloforge.errors import CaloforgeError

SHOWERS = 200


@dataclass(frozen=True)
class Exported:
    """What an export did: its folder, the files in it, and how the runtime compares with PyTorch."""

    folder: Path
    files: tuple[str, ...]
    agreement: Agreement
    metadata: dict[str, Any]


def export(
    checkpoint: Path | str,
    to: str,
    out: Path | str,
    *,
    contract: str | None = None,
    precision: str = "float32",
    target: str | None = None,
    solver: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    showers: int = SHOWERS,
) -> Exported:
    """Write the generation of a checkpoint folder for a runtime into the new folder `out`, with `export.json`.

    to: a name of `RUNTIMES`. contract: a name of `CONTRACTS`. precision: float32, float16 or
    bf16, of the stored weights of products, or of the computation where the runtime `computes` in it. target: a version
    of the runtime, such as ort=1.17 or root=6.42. solver, steps: of models that are integrated.
    showers: how many are compared with PyTorch, drawn by `seed`. Raises CaloforgeError where the runtime is not
    installed or lacks a node, the folder exists or is being written, or the results differ; then nothing is written.
    """
    runtime = RUNTIMES[to]()
    runtime.require()
    runtime.require_precision(precision)
    stored = "float32" if precision in runtime.computes else precision
    version = _version(target, to)
    opset = runtime.opset(version)
    chosen = None if contract is None else CONTRACTS[contract]
    plain, original = (
        generation_module(checkpoint, solver=solver, steps=steps, precision=PRECISIONS[stored], expressed=expressed)
        for expressed in (True, False)
    )
    module = plain if chosen is None else chosen(plain)
    metadata = {**module.metadata(), "precision": precision, "runtime": to}
    with new_folder(out) as folder:
        free = chosen is None
        graph = Graph(
            module, module.example(3 if free else 1), (module.output,), metadata, free, stored, opset, version
        )
        _preflight(runtime, graph, target)
        runtime.write(graph, folder)
        if isinstance(module, Par04Dit):
            found = _compared_apart(runtime, graph, Par04Dit(original, True), folder, showers, seed)
        else:
            found = compared(runtime, graph, original if chosen is None else chosen(original), folder, showers, seed)
        told = {**metadata, **runtime.facts(graph), "check": found.as_dict()}
        (folder / "export.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        files = tuple(sorted(path.name for path in folder.iterdir() if path.name != OWNER))
    return Exported(Path(out), files, found, told)


def _compared_apart(
    runtime: Runtime, graph: Graph, original: Par04Dit, folder: Path, showers: int, seed: int
) -> Agreement:
    """The comparison for a graph that draws its noise itself: the same graph with noise as inputs is compared, and the
    files' showers must be numbers, differ from call to call and have the mean energy of PyTorch's within six errors."""
    given = Par04Dit(graph.module.module, given_noise=True)  # type: ignore[arg-type]
    twin = replace(graph, module=given, example=given.example(1))
    with tempfile.TemporaryDirectory() as name:
        runtime.write(twin, Path(name))
        result = compared(runtime, twin, original, Path(name), showers, seed)
    inputs = graph.module.example(1, seed)  # type: ignore[operator]
    many = {key: value.expand(showers, -1).contiguous() for key, value in inputs.items()}
    drawn = _run(runtime, folder, many, False)[0]
    with torch.no_grad():
        noise = {key: value for key, value in original.example(showers, seed).items() if key not in many}
        pytorch = original(*many.values(), *noise.values()).numpy()
    sums, expected = drawn.sum(1, dtype=np.float64), pytorch.sum(1, dtype=np.float64)
    error = np.sqrt((sums.var() + expected.var()) / showers) + 1e-6 * abs(expected.mean())
    if not np.isfinite(drawn).all() or abs(sums.mean() - expected.mean()) > 6 * error or (drawn == drawn[0]).all():
        raise CaloforgeError(
            f"{runtime.name} draws showers of {sums.mean():g} on average where PyTorch has {expected.mean():g} (error "
            f"{error:g}), or always the same; nothing was written, choose another runtime."
        )
    return result


def _version(target: str | None, to: str) -> str | None:
    if target is None:
        return None
    name, _, version = target.partition("=")
    known = {"ort": "onnx", "root": "sofie"}.get(name, name)
    if not version or known != to:
        raise CaloforgeError(f"--target {target} does not fit --to {to}; give one like --to onnx --target ort=1.17.")
    return version


def _preflight(runtime: Runtime, graph: Graph, target: str | None) -> None:
    lacking = runtime.lacking(graph)
    if lacking:
        raise CaloforgeError(
            f"{target or runtime.name} lacks {len(lacking)} {'nodes' if len(lacking) > 1 else 'node'} of the model: "
            f"{listed(lacking)}; export to a newer version or another runtime."
        )


def compared(runtime: Runtime, graph: Graph, original: nn.Module, folder: Path, showers: int, seed: int) -> Agreement:
    """Run the files in `folder` and compare them with `original`, the shower model as it generates in PyTorch.

    Raises CaloforgeError that names the first block whose output differs.
    """
    inputs = original.example(showers, seed + 1)  # type: ignore[operator]
    with torch.no_grad():
        pytorch = original(*inputs.values()).numpy()
    exact = in_double(original, inputs).numpy()
    within = _computed_in(runtime, graph)
    result = agreement(_run(runtime, folder, inputs, graph.dynamic)[0], pytorch, exact, within)
    if graph.dynamic and result.good:
        one = {name: value[:1] for name, value in inputs.items()}
        single = agreement(_run(runtime, folder, one, True)[0], pytorch[:1], exact[:1], within)
        result = result if single.good else single
    if result.good:
        return result
    block = differing_block(runtime, graph, inputs)
    raise CaloforgeError(
        f"{runtime.name} does not give what PyTorch gives, {block}: {result}; nothing was written, choose another "
        "runtime or precision."
    )


def _computed_in(runtime: Runtime, graph: Graph) -> str:
    """The precision of the graph's products in the runtime."""
    precision = str(graph.metadata.get("precision", "float32"))
    return precision if precision in runtime.computes else "float32"


def _run(runtime: Runtime, folder: Path, inputs: dict[str, Tensor], dynamic: bool) -> list[NDArray[np.float32]]:
    """Results of a runtime; shower by shower where the batch is fixed."""
    arrays = {name: value.numpy() for name, value in inputs.items()}
    call = runtime.open(folder)
    if dynamic:
        return call(arrays)
    n = len(next(iter(arrays.values())))
    each = [call({name: value[i : i + 1] for name, value in arrays.items()}) for i in range(n)]
    return [np.concatenate(parts) for parts in zip(*each, strict=True)]


def differing_block(runtime: Runtime, graph: Graph, inputs: dict[str, Tensor]) -> str:
    """In words, the first block of the graph whose output in the runtime is not PyTorch's."""
    blocks = WithBlocks(graph.module)
    few = {name: value[:50] for name, value in inputs.items()}
    with torch.no_grad():
        pytorch = [part.numpy() for part in blocks(*few.values())]
    exact = [part.numpy() for part in in_double(graph.module, few, blocks=True)]
    names = list(blocks.names)
    outputs = (*graph.outputs, *(f"block_{number}" for number in range(len(names))))
    try:
        with tempfile.TemporaryDirectory() as folder:
            runtime.write(replace(graph, module=blocks, outputs=outputs), Path(folder))
            found = _run(runtime, Path(folder), few, graph.dynamic)
    except CaloforgeError as error:
        return f"and the blocks could not be told apart ({error})"
    name = first_difference(names, found[1:], pytorch[1:], exact[1:], _computed_in(runtime, graph))
    return "though every block by itself agrees" if name is None else f"first in block '{name}'"
