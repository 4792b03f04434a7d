"""The contract of a runtime, and the table of those there are."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from caloforge.registry import Registry
from caloforge.timing.work import Floats, Work

Run = Callable[[Mapping[str, Floats], Floats], Floats]
"""run(inputs, out): outputs (N, outputs), in `out` where the runtime can write there, else in memory of its own."""


class Runtime(ABC):
    """One way to run a network; stateless, made anew in every process.

    label: as tables say it. extra: what `pip install 'caloforge[extra]'` needs, empty where it always comes.
    modules: what must be importable. packages: whose versions are recorded. compiler: whether it needs g++.
    flags: what of its options is worth recording. precision: `float32`, or less.
    """

    label: ClassVar[str]
    extra: ClassVar[str] = ""
    modules: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    compiler: ClassVar[bool] = False
    precision: ClassVar[str] = "float32"
    bound: ClassVar[bool] = False
    flags: ClassVar[str] = ""

    def missing(self) -> str | None:
        """What must be done before it can be used here, as the end of a sentence; nothing where it can be."""
        absent = [module for module in self.modules if find_spec(module) is None]
        if absent:
            return f"{', '.join(absent)} is not installed; pip install 'caloforge[{self.extra}]'"
        if self.compiler and shutil.which("g++") is None:
            return "it needs a C++ compiler and there is no g++; install one (on Debian: apt install g++)"
        return None

    def refuses(self, work: Work) -> str | None:
        """Why it cannot run this network, as the end of a sentence; nothing where it can."""
        return None

    def tolerance(self, work: Work) -> float:
        """How far its outputs may lie from PyTorch's, relative to a shower's largest output."""
        return work.tolerance

    def environment(self, folder: Path, threads: int) -> dict[str, str]:
        """Environment variables of its process."""
        return {}

    def prepare(self, work: Work, folder: Path, threads: int) -> None:
        """Write into the folder what `load` needs, once; it may take as long as it needs."""
        folder.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def load(self, work: Work, folder: Path, threads: int) -> Run:
        """Make it ready with so many threads."""

    def versions(self) -> dict[str, str]:
        """Versions of its packages."""
        found = {}
        for package in self.packages:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                found[package] = "unknown"
        return found


class ChainRuntime(Runtime):
    """A runtime for which the network is built from its dense layers."""

    def refuses(self, work: Work) -> str | None:
        """Anything that is no chain of dense layers."""
        return None if work.layers() is not None else "it is built here for chains of dense layers only"


RUNTIMES: Registry[type[Runtime]] = Registry("runtime", "caloforge.benchmark_runtimes")


def runtime(name: str) -> Runtime:
    """The runtime of a name; raises CaloforgeError that lists the names."""
    import caloforge.timing.runtimes  # noqa: F401 (fills the table)

    return RUNTIMES[name]()


def runtime_names() -> list[str]:
    """Every runtime that is known, in the order of the tables."""
    from caloforge.timing.runtimes import ORDER

    return [*ORDER, *(name for name in RUNTIMES.names() if name not in ORDER)]
