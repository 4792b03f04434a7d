"""What computes the showers of a command: our own kernels where they know the model, else PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caloforge.models.engine import Engine


def engines(name: str | None = None) -> tuple[Engine, ...]:
    """The engine of this name, or all, the fastest first; raises CaloforgeError where there is none of this name."""
    from caloforge.deployment.fast import FastEngine
    from caloforge.errors import CaloforgeError
    from caloforge.models.engine import TorchEngine

    known: dict[str, Engine] = {"fast": FastEngine(), "torch": TorchEngine()}
    if name is None:
        return tuple(known.values())
    if name not in known:
        raise CaloforgeError(f"--engine is {name!r}; give {' or '.join(known)}, or leave it out.")
    return (known[name],)
