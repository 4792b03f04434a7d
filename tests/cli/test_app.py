"""The command line as a whole: version, help, and how errors are said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from typer.testing import CliRunner

from caloforge import __version__
from caloforge.cli.app import COMMANDS, _Group, app
from caloforge.cli.interrupted import resumable
from caloforge.errors import CaloforgeError


def test_version_and_commands() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["--version"]).output.strip() == f"caloforge {__version__}"
    shown = runner.invoke(app, ["--help"]).output
    assert all(name in shown for name in COMMANDS)


def test_as_a_module() -> None:
    run = subprocess.run([sys.executable, "-m", "caloforge", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"caloforge {__version__}\n"


def test_error_is_one_line_and_exit_code_2() -> None:
    import typer

    small = typer.Typer(cls=_Group)

    @small.callback()
    def _options() -> None: ...

    @small.command()
    def fail() -> None:
        raise CaloforgeError("x.hdf5 has no dataset 'showers';\n   expected one; convert the file.")

    result = CliRunner().invoke(small, ["fail"])
    assert result.exit_code == 2
    assert result.stderr == "caloforge: x.hdf5 has no dataset 'showers'; expected one; convert the file.\n"
    assert result.stdout == ""


def test_the_end_by_a_batch_system_leaves_nothing(tmp_path: Path) -> None:
    sample = str(files("caloforge") / "data" / "calogan_positrons_heldout.hdf5")
    program = (
        "import os, signal\n"
        "from caloforge.cli.app import app\n"
        "from caloforge.showers import ShowerWriter\n"
        "ShowerWriter.append = lambda self, part: os.kill(os.getpid(), signal.SIGTERM)\n"
        f"app(['convert', {sample!r}, {str(tmp_path / 'out.hdf5')!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode not in (0, 2) and "Traceback" not in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_an_interruption_says_where_the_command_goes_on() -> None:
    import typer

    small = typer.Typer(cls=_Group)

    @small.callback()
    def _options() -> None: ...

    @small.command()
    def long() -> None:
        with resumable("out"):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    result = CliRunner().invoke(small, ["long"])
    assert result.exit_code == 130
    assert result.stderr == "Interrupted; the same command goes on where it stopped (out).\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_unknown_command_exits_2() -> None:
    code = "from caloforge.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "trian"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "trian" in done.stderr
