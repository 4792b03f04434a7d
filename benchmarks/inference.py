"""Decoders and the CaloFlow student on one core: our kernels and ONNX Runtime beside the bound and PyTorch.

Decoders 10 -> 50 -> 100 -> 200 -> 504 and -> 6480 outputs (ReLU, sigmoid at the end). The bound is their products
alone, without biases and activations, by the fastest of the packed BLAS libraries at hand (scipy-openblas32, numpy's,
torch's; weights as they are or transposed beforehand; the whole batch or chunks of it), all results written into memory
that was there before. The student is `calogan-student`, from noise to MeV, packed and exported to ONNX; its peer is
PyTorch with the plain torch spline. One process on one core, in turns, medians.

    python benchmarks/inference.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from harness import Goals, quick, seconds, setting

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np
import onnxruntime
import scipy_openblas32
import torch
from numpy.typing import NDArray
from torch import nn

from caloforge.deployment.fast import FastMLP, FastShowers
from caloforge.deployment.fast.panels import aligned
from caloforge.deployment.graph import ENERGY, generation_module
from caloforge.deployment.onnx_file import export_onnx
from caloforge.generative.autoregressive import Autoregressive
from caloforge.generative.contracts import draw_noise
from caloforge.generative.spline import spline_from_raw
from caloforge.generative.univariate import Spline
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.pretrained import pretrained
from caloforge.models.shower_model import ShowerModel

Floats = NDArray[np.float32]
WIDTHS, OUTPUTS, BATCHES = (10, 50, 100, 200), (504, 6480), (1, 10, 100, 1000, 10_000)
ROW_MAJOR, AS_IS, TRANSPOSED = 101, 111, 112
CHUNK = 250
"""Showers of a chunk, in the bound and for ONNX Runtime."""


def openblas() -> ctypes.CDLL:
    """The library of scipy-openblas32, with one thread."""
    library = ctypes.CDLL(str(next(Path(scipy_openblas32.get_lib_dir()).glob("*openblas*.so*"))))
    library.scipy_openblas_set_num_threads(1)
    number, address = ctypes.c_int, ctypes.c_void_p
    library.scipy_cblas_sgemm.argtypes = [number] * 6 + [ctypes.c_float] + [address, number] * 2
    library.scipy_cblas_sgemm.argtypes += [ctypes.c_float, address, number]
    library.scipy_cblas_sgemv.argtypes = [number] * 4 + [ctypes.c_float, address, number, address, number]
    library.scipy_cblas_sgemv.argtypes += [ctypes.c_float, address, number]
    library.scipy_cblas_sgemm.restype = library.scipy_cblas_sgemv.restype = None
    return library


def decoder(outputs: int) -> nn.Sequential:
    """The decoder with random weights."""
    parts: list[nn.Module] = []
    for inputs, size in itertools.pairwise((*WIDTHS, outputs)):
        parts += [nn.Linear(inputs, size), nn.ReLU()]
    return nn.Sequential(*parts[:-1], nn.Sigmoid()).eval()


def products(module: nn.Sequential, x: Floats, library: ctypes.CDLL) -> Iterator[tuple[str, Callable[[], object]]]:
    """The decoder's matrix products alone, by every library that is at hand."""
    weights = [layer.weight.detach().numpy() for layer in module if isinstance(layer, nn.Linear)]
    turned = [np.ascontiguousarray(weight.T) for weight in weights]
    n = len(x)
    buffers = [aligned((n, len(weight))) for weight in weights]

    def steps(first: int, size: int, sources: list[Floats]) -> list[tuple[Floats, Floats, Floats]]:
        rows = slice(first, first + size)
        values = [x[rows], *(buffer[: len(x[rows])] for buffer in buffers[:-1]), buffers[-1][rows]]
        return list(zip(values[:-1], sources, values[1:], strict=True))

    for size in {n, min(n, CHUNK)}:
        chunks = range(0, n, size)
        plans = {turn: [step for first in chunks for step in steps(first, size, which)] for turn, which in
                 ((False, weights), (True, turned))}  # fmt: skip
        label = f" in chunks of {size}" if size < n else ""
        for turn, plan in plans.items():
            kind = "transposed weights" if turn else "weights"
            triples = [(a, w if turn else w.T, out) for a, w, out in plan]
            yield f"numpy, {kind}{label}", lambda t=triples: [np.matmul(a, w, out=out) for a, w, out in t]
            tensors = [tuple(torch.from_numpy(part) for part in triple) for triple in triples]
            yield f"torch, {kind}{label}", lambda t=tensors: [torch.mm(a, w, out=out) for a, w, out in t]
            calls = [_call(library, a, w, out, turn) for a, w, out in plan]
            # The calls hold addresses; `keep` holds the arrays that lie there.
            yield (
                f"scipy-openblas32, {kind}{label}",
                lambda c=calls, keep=plan: [function(*given) for function, given in c],
            )


def _call(
    library: ctypes.CDLL, a: Floats, weight: Floats, out: Floats, turned: bool
) -> tuple[Callable[..., object], tuple[object, ...]]:
    """One product as a call whose arguments are ready."""
    (n, inputs), outputs = a.shape, out.shape[1]
    if n == 1:
        shape = weight.shape
        given = (ROW_MAJOR, TRANSPOSED if turned else AS_IS, *shape, 1.0, weight.ctypes.data, shape[1])
        return library.scipy_cblas_sgemv, (*given, a.ctypes.data, 1, 0.0, out.ctypes.data, 1)
    sides = (ROW_MAJOR, AS_IS, AS_IS if turned else TRANSPOSED, n, outputs, inputs, 1.0)
    given = (*sides, a.ctypes.data, inputs, weight.ctypes.data, weight.shape[1], 0.0, out.ctypes.data, outputs)
    return library.scipy_cblas_sgemm, given


def onnx_session(module: nn.Module, example: dict[str, torch.Tensor], folder: Path) -> onnxruntime.InferenceSession:
    """The module in ONNX Runtime, any batch, one thread that does not spin."""
    path = export_onnx(module, example, folder / f"{len(list(folder.iterdir()))}.onnx", ("y",))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def bound_run(session: onnxruntime.InferenceSession, x: Floats, out: Floats, chunk: int) -> Callable[[], object]:
    """Inputs and outputs bound to memory that was there before, chunk by chunk."""
    bindings = []
    for first in range(0, len(x), chunk):
        binding, rows = session.io_binding(), slice(first, first + chunk)
        for bind, name, part in ((binding.bind_input, "x", x[rows]), (binding.bind_output, "y", out[rows])):
            bind(name, "cpu", 0, np.float32, part.shape, part.ctypes.data)
        bindings.append(binding)
    return lambda: [session.run_with_iobinding(binding) for binding in bindings]


def decoders(goals: Goals, fast_run: bool) -> None:
    """Both decoders at every batch size."""
    library = openblas()
    with tempfile.TemporaryDirectory() as name:
        for outputs in OUTPUTS:
            module = decoder(outputs)
            began = time.perf_counter()
            packed = FastMLP.pack(module)
            packed(np.zeros((7, WIDTHS[0]), np.float32))
            print(f"{packed}: packing and first call {time.perf_counter() - began:.1f} s")
            session = onnx_session(module, {"x": torch.zeros(7, WIDTHS[0])}, Path(name))
            for batch in BATCHES:
                x = np.random.default_rng(batch).standard_normal((batch, WIDTHS[0]), dtype=np.float32)
                _decoder(goals, module, packed, session, x, library, fast_run)


def _decoder(
    goals: Goals,
    module: nn.Sequential,
    packed: FastMLP,
    session: onnxruntime.InferenceSession,
    x: Floats,
    library: ctypes.CDLL,
    fast_run: bool,
) -> None:
    """One decoder at one batch size."""
    batch, outputs = len(x), packed.outputs
    out, theirs = aligned((batch, outputs)), aligned((batch, outputs))
    ours: dict[str, Callable[[], object]] = {"ours": lambda: packed(x, out)}
    ours["ONNX Runtime"] = bound_run(session, x, theirs, batch)
    if batch > CHUNK:
        ours["ONNX Runtime in chunks"] = bound_run(session, x, theirs, CHUNK)
    runs = {**ours, **dict(products(module, x, library))}
    cost = batch * (10e-6 if outputs < 1000 else 40e-6)
    inner = max(1, round((1e-3 if fast_run else 3e-3) / cost))
    repeats = {10_000: 2 if fast_run else 9, 1000: 5 if fast_run else 21}.get(batch, 9 if fast_run else 41)
    if fast_run and batch >= 1000:
        # The slowest would take most of the time: a first turn leaves the promising ones.
        first = {name: seconds({name: run}, 1)[name][0] for name, run in runs.items()}
        best = min(first[name] for name in runs if name not in ours)
        runs = {name: run for name, run in runs.items() if name in ours or first[name] < 1.25 * best}

    def repeated(run: Callable[[], object]) -> Callable[[], object]:
        return lambda: [run() for _ in range(inner)]

    times = seconds({name: repeated(run) for name, run in runs.items()}, repeats)
    us = {name: 1e6 * median(found) / inner / batch for name, found in times.items()}
    bound = min((name for name in us if name not in ours), key=us.__getitem__)
    best = min(ours, key=us.__getitem__)
    with torch.no_grad():
        error = np.abs(out - module(torch.from_numpy(x)).numpy()).max()
    found = ", ".join(f"{name} {us[name]:.2f} ({us[name] / us[bound]:.2f})" for name in ours)
    label = f"{outputs} outputs, batch {batch:,}"
    print(f"{label}, us per shower: bound {us[bound]:.2f} ({bound}), {found}; error {error:.0e}")
    goals.at_most(f"of the bound, {label} ({best})", us[best] / us[bound], 1.5 if batch <= 10 else 1.15)


class PlainSpline(Spline):
    """The spline in plain torch."""

    def __call__(
        self, x: torch.Tensor, raw: torch.Tensor, inverse: bool = False, need_logabsdet: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Spline`."""
        return spline_from_raw(x, raw, inverse, self.tail_bound, self.min_bin, self.min_derivative, need_logabsdet)


def student(plain: bool) -> ShowerModel:
    """The student that comes along, with our spline kernel or the plain torch spline."""
    model = load_checkpoint(pretrained()["calogan-student"])[0].eval()
    for module in model.modules():
        if plain and isinstance(module, Autoregressive) and isinstance(module.univariate, Spline):
            spline = module.univariate
            module.univariate = PlainSpline(spline.bins, spline.tail_bound, spline.min_bin, spline.min_derivative)
    return model


def students(goals: Goals, fast_run: bool) -> None:
    """The student at batch 1, 10, 100 and 1000."""
    model, peer = student(False), student(True)
    began = time.perf_counter()
    fast = FastShowers.of(model)
    warm = draw_noise(model.noise(), 2, torch.Generator().manual_seed(0))
    fast.decode(warm, np.full(2, 5e4, np.float32))
    graph = generation_module(pretrained()["calogan-student"])
    with tempfile.TemporaryDirectory() as name:
        session = onnx_session(graph, graph.example(2), Path(name))
    print(f"{fast}: packing and first call {time.perf_counter() - began:.1f} s")
    for batch in (1, 10, 100, 1000):
        generator = torch.Generator().manual_seed(batch)
        energy = 1e3 + 9.9e4 * torch.rand(batch, generator=generator)
        noise, out = draw_noise(model.noise(), batch, generator), aligned((batch, fast.n_voxels))
        condition = {ENERGY: energy}
        given = {ENERGY: energy[:, None].numpy(), **{key: draw.numpy() for key, draw in noise.items()}}
        runs: dict[str, Callable[[], object]] = {
            "PyTorch, plain spline": lambda n=noise, c=condition: peer.decode(n, c),
            "PyTorch, our spline kernel": lambda n=noise, c=condition: model.decode(n, c),
            "ours": lambda n=noise, e=energy, o=out: fast.decode(n, e, o),
            "ONNX Runtime": lambda given=given: session.run(None, given),
        }
        with torch.no_grad():
            repeats = {1000: 1 if fast_run else 5, 100: 5 if fast_run else 15}.get(batch, 9 if fast_run else 31)
            times = seconds(runs, repeats)
            exact = peer.decode(noise, condition).numpy()
        ms = {name: 1e3 * median(found) / batch for name, found in times.items()}
        crossed, both = int(((out > 0) != (exact > 0)).sum()), (out > 0) & (exact > 0)
        off = np.abs(out[both] / exact[both] - 1)
        found = ", ".join(f"{name} {value:.3f}" for name, value in ms.items())
        print(
            f"student, batch {batch:,}, ms per shower: {found}; "
            f"relative difference {np.median(off):.0e} (median), {off.max():.0e} (largest), {crossed} of {out.size} "
            "voxels on the other side of the threshold"
        )
        if batch in (1, 100):
            best = min(("ours", "ONNX Runtime"), key=ms.__getitem__)
            ratio = ms["PyTorch, plain spline"] / ms[best]
            goals.at_least(f"times faster, student, batch {batch} ({best})", ratio, 3.0 if batch == 1 else 5.0)


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    fast_run = quick(__doc__)
    print(setting(("caloforge", "torch", "numba", "numpy", "scipy-openblas32", "onnxruntime")))
    goals = Goals("inference")
    decoders(goals, fast_run)
    students(goals, fast_run)
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
