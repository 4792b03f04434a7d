"""PyTorch in four ways: eager, TorchScript, torch.compile and AOTInductor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from caloforge.timing.runtime import Run, Runtime
from caloforge.timing.work import Floats, Work


def _threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)


def _run(call: Callable[..., Any]) -> Run:
    import torch

    @torch.inference_mode()
    def run(inputs: Mapping[str, Floats], out: Floats) -> Floats:
        result: Floats = call(*map(torch.from_numpy, inputs.values())).numpy()
        return result

    return run


def example(work: Work, n: int) -> tuple[Any, ...]:
    """The first n showers as tensors."""
    import torch

    return tuple(torch.from_numpy(value) for value in work.draws(n).values())


class _PyTorch(Runtime):
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    modules: ClassVar[tuple[str, ...]] = ("torch",)

    def environment(self, folder: Path, threads: int) -> dict[str, str]:
        """Compiled code is kept in the runtime's folder; OpenMP's threads."""
        return {"TORCHINDUCTOR_CACHE_DIR": str(folder / "cache"), "OMP_NUM_THREADS": str(threads)}


class Eager(_PyTorch):
    """PyTorch as it comes, in inference mode."""

    label = "PyTorch eager"
    flags = "torch.set_num_threads, inference_mode"

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """The module as it is."""
        _threads(threads)
        return _run(work.eager())


class Plain(_PyTorch):
    """PyTorch with splines as plain arithmetic, the network that is exported."""

    label = "PyTorch, plain splines"
    flags = "torch.set_num_threads, inference_mode"

    def refuses(self, work: Work) -> str | None:
        """A network that has no other form."""
        return "it is the same as pytorch for a decoder" if work.layers() is not None else None

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """The module as it is exported."""
        _threads(threads)
        return _run(work.module())


class TorchScript(_PyTorch):
    """PyTorch traced and frozen."""

    label = "TorchScript"
    flags = "trace, freeze"

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """Trace with seven showers."""
        import torch

        super().prepare(work, folder, threads)
        with torch.no_grad():
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                work.module(), example(work, 7), check_trace=False
            )
            torch.jit.freeze(traced).save(str(folder / "model.pt"))

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """The saved trace, with our operators known where it is of a checkpoint."""
        import torch

        if work.layers() is None:
            import caloforge.models.checkpoint  # noqa: F401

        _threads(threads)
        return _run(torch.jit.load(str(folder / "model.pt")))  # type: ignore[no-untyped-call]


class Compiled(_PyTorch):
    """torch.compile with a dynamic batch; code is compiled once and found again in its cache."""

    label = "torch.compile"
    compiler = True
    flags = "dynamic=True, warm cache"

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """Fill the cache, with one shower and with several."""
        super().prepare(work, folder, threads)
        run = self.load(work, folder, threads)
        for n in (1, 7):
            run(work.draws(n), work.reference(n))

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """A function that compiles when it is first called."""
        import torch

        _threads(threads)
        return _run(torch.compile(work.module(), dynamic=True))


class AotInductor(_PyTorch):
    """A library compiled ahead of time by torch.export and AOTInductor."""

    label = "AOTInductor"
    compiler = True
    flags = "dynamic batch"

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """Export with a dynamic batch and compile."""
        import torch

        from caloforge.deployment.onnx_graph import trace

        super().prepare(work, folder, threads)
        _threads(threads)
        program = trace(work.module(), dict(zip(work.inputs, example(work, 7), strict=True)))
        with torch.no_grad():
            torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))

    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """The compiled package."""
        import torch
        import torch._inductor

        _threads(threads)
        return _run(torch._inductor.aoti_load_package(str(folder / "model.pt2")))
