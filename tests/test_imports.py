"""What is loaded when: the package and its help start without the heavy libraries."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

HEAVY = ("torch", "h5py", "matplotlib", "sklearn", "scipy", "lightning_fabric", "numpy")


def _loaded(code: str) -> set[str]:
    """Which of the heavy libraries a fresh interpreter holds after running some code."""
    tail = f"\nimport sys\nprint('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_package_loads_nothing_heavy() -> None:
    assert not _loaded("import caloforge")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["info", "--help"],
        ["compare", "--help"],
        ["standings", "--help"],
    ],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['caloforge', *{arguments!r}]\n"
        "from caloforge.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
    )
    assert not _loaded(code) - {"numpy"}


@pytest.mark.parametrize("room", ["detectors", "showers", "observables"])
def test_data_side_loads_no_torch(room: str) -> None:
    assert "torch" not in _loaded(f"import caloforge.{room}")


def _processor_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_quick() -> None:
    """The best of five runs takes less than half a second of processor time, start of the interpreter included."""
    code = "from caloforge.cli import main; main()"
    seconds = []
    for _ in range(5):
        start = _processor_seconds_of_children()
        subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, check=True)
        seconds.append(_processor_seconds_of_children() - start)
    assert min(seconds) < 0.5, f"caloforge --help took {min(seconds):.2f} s at best"
