"""The bound: the network's matrix products alone, by the fastest BLAS library at hand."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from caloforge.timing.runtime import Run, Runtime
from caloforge.timing.work import Floats, Product, Work

if TYPE_CHECKING:
    import torch

CHUNK = 250
_ROW_MAJOR, _AS_IS, _TRANSPOSED = 101, 111, 112
_TRIALS = 3
_SLOWEST = 1.3
"""A candidate that is slower than the best by this factor is not tried again."""

Triple = tuple[Floats, Floats, Floats]


class Blas(Runtime):
    """Products only, without biases and activations, into memory that is there; weights as they are or transposed
    beforehand, the whole batch or chunks of it; the fastest way is picked for each batch size."""

    label = "matrix products (bound)"
    bound = True
    packages: ClassVar[tuple[str, ...]] = ("scipy-openblas32", "numpy", "torch")
    flags = "fastest of scipy-openblas32, numpy, torch; weights as they are or transposed; whole or chunks of 250"

    def environment(self, folder: Path, threads: int) -> dict[str, str]:
        """Threads of every library."""
        return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """The libraries; candidates are tried when a batch size comes for the first time."""
        import torch

        torch.set_num_threads(threads)
        library = openblas(threads)
        products = Products(work.products, library)
        kept: dict[int, Callable[[], object]] = {}

        def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
            n = len(out)
            if n not in kept:
                kept.clear()
                kept[n] = products.fastest(n)
            kept[n]()
            return products.result

        run.chosen = lambda: products.chosen  # type: ignore[attr-defined]
        return run


class Products:
    """Ways to do a list of products for n showers; `chosen` names the way that was the fastest."""

    def __init__(self, products: Sequence[Product], library: ctypes.CDLL | None) -> None:
        generator = np.random.default_rng(0)
        self.products, self.library, self.chosen = products, library, ""
        self.weights = [
            generator.standard_normal((p.outputs, p.inputs), dtype=np.float32) / np.float32(p.inputs**0.5)
            for p in products
        ]
        self.turned = [np.ascontiguousarray(weight.T) for weight in self.weights]
        self.result: Floats = np.zeros((0, 0), np.float32)

    def fastest(self, n: int) -> Callable[[], object]:
        """The fastest way for n showers, after some trials of each."""
        best, times = np.inf, {}
        ways = dict(self.ways(n))
        for name, way in ways.items():
            way()
            taken = []
            for _ in range(_TRIALS):
                count, start = 0, time.perf_counter()
                while not count or time.perf_counter() - start < 2e-3:
                    way()
                    count += 1
                taken.append((time.perf_counter() - start) / count)
                if min(taken) > _SLOWEST * best:
                    break
            times[name] = min(taken)
            best = min(best, times[name])
        self.chosen = min(times, key=times.__getitem__)
        return ways[self.chosen]

    def ways(self, n: int) -> Iterator[tuple[str, Callable[[], object]]]:
        """Every way by name; all write into the same memory, the last product's into `result`."""
        import torch

        rows = [p.rows for p in self.products]
        first = self.products[0]
        generator = np.random.default_rng(1)
        start = generator.standard_normal((n * first.rows, first.inputs), dtype=np.float32)
        buffers = [np.zeros((n * p.rows, p.outputs), np.float32) for p in self.products]
        others = [
            None if i and self._follows(i) else start if i == 0 else np.ones((n * p.rows, p.inputs), np.float32)
            for i, p in enumerate(self.products)
        ]
        self.result = buffers[-1]

        def plan(begin: int, size: int, sources: list[Floats]) -> list[Triple]:
            steps, last = [], len(self.products) - 1
            size = min(size, n - begin)
            for i, source in enumerate(sources):
                part = slice(begin * rows[i], (begin + size) * rows[i])
                own = others[i]
                value = buffers[i - 1][: size * rows[i]] if own is None else own[part]
                out = buffers[i][part] if i == last else buffers[i][: size * rows[i]]
                steps.append((value, source, out))
            return steps

        for size in sorted({n, min(n, CHUNK)}):
            label = f", chunks of {size}" if size < n else ""
            for turned in (False, True):
                kind = f"{'transposed ' if turned else ''}weights{label}"
                sources = self.turned if turned else self.weights
                steps = [step for begin in range(0, n, size) for step in plan(begin, size, sources)]
                triples = [(a, w if turned else w.T, out) for a, w, out in steps]
                if self.library is not None:
                    calls = [_call(self.library, a, w, out, turned) for a, w, out in steps]
                    yield f"scipy-openblas32, {kind}", partial(_called, calls, steps)
                yield f"numpy, {kind}", partial(_by_numpy, triples)
                tensors = [(torch.from_numpy(a), torch.from_numpy(w), torch.from_numpy(out)) for a, w, out in triples]
                yield f"torch, {kind}", partial(_by_torch, tensors)

    def _follows(self, i: int) -> bool:
        """Whether product i can take what product i - 1 has written."""
        before, this = self.products[i - 1], self.products[i]
        return before.rows == this.rows and before.outputs == this.inputs


def _called(calls: list[tuple[Callable[..., object], tuple[Any, ...]]], alive: object) -> None:
    """The calls; they hold addresses, and `alive` holds the arrays that lie there."""
    for function, given in calls:
        function(*given)


def _by_numpy(triples: list[Triple]) -> None:
    for a, w, out in triples:
        np.matmul(a, w, out=out)


def _by_torch(tensors: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> None:
    import torch

    for a, w, out in tensors:
        torch.mm(a, w, out=out)


def openblas(threads: int) -> ctypes.CDLL | None:
    """The library of scipy-openblas32, where it is installed."""
    if find_spec("scipy_openblas32") is None:
        return None
    import scipy_openblas32

    library = ctypes.CDLL(str(next(Path(scipy_openblas32.get_lib_dir()).glob("*openblas*.so*"))))
    library.scipy_openblas_set_num_threads(threads)
    number, address, real = ctypes.c_int, ctypes.c_void_p, ctypes.c_float
    gemm, gemv = library.scipy_cblas_sgemm, library.scipy_cblas_sgemv
    rest = (real, address, number, address, number, real, address, number)
    gemm.argtypes = (*[number] * 6, *rest)
    gemv.argtypes = (*[number] * 4, *rest)
    gemm.restype = gemv.restype = None
    return library


def _call(
    library: ctypes.CDLL, a: Floats, weight: Floats, out: Floats, turned: bool
) -> tuple[Callable[..., object], tuple[Any, ...]]:
    """One product as a call whose arguments are ready."""
    (n, inputs), outputs = a.shape, out.shape[1]
    if n == 1:
        shape = weight.shape
        given = (_ROW_MAJOR, _TRANSPOSED if turned else _AS_IS, *shape, 1.0, weight.ctypes.data, shape[1])
        return library.scipy_cblas_sgemv, (*given, a.ctypes.data, 1, 0.0, out.ctypes.data, 1)
    sides = (_ROW_MAJOR, _AS_IS, _AS_IS if turned else _TRANSPOSED, n, outputs, inputs, 1.0)
    return library.scipy_cblas_sgemm, (
        *sides, a.ctypes.data, inputs, weight.ctypes.data, weight.shape[1], 0.0, out.ctypes.data, outputs,
    )  # fmt: skip
