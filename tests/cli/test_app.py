"""The command line as a whole: version, help, and how errors are said."""

from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

from caloforge import __version__
from caloforge.cli.app import COMMANDS, _Group, app
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


def test_unknown_command_exits_2() -> None:
    code = "from caloforge.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "trian"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "trian" in done.stderr
