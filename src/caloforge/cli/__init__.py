"""The command line: thin commands that import what they need when they run."""

__all__ = ["main"]


def main() -> None:
    """Run the command `caloforge`."""
    from caloforge.cli.app import app

    app()
