from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest


@pytest.fixture(scope="package")
def toy_runtimes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runtimes toy-right, toy-wrong, toy-dies, toy-refuses and toy-absent, known here and in worker processes."""
    spec = spec_from_file_location("toys", Path(__file__).with_name("toys.py"))
    assert spec is not None and spec.loader is not None
    toys = module_from_spec(spec)
    spec.loader.exec_module(toys)
    folder = tmp_path_factory.mktemp("toys")
    toys.install(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]))
        patch.setenv("OPENBLAS_CORETYPE", "Haswell")
        yield folder
