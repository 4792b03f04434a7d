"""The inference benchmark: one network in many runtimes, each in a fresh process on given cores."""

from caloforge.timing.benchmark import Settings, benchmark
from caloforge.timing.results import Results
from caloforge.timing.runtime import Run, Runtime
from caloforge.timing.work import Work

__all__ = ["Results", "Run", "Runtime", "Settings", "Work", "benchmark"]
