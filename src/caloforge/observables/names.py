"""Names of layers as they stand in the names of observables."""

from __future__ import annotations


def layer_label(name: str) -> str:
    """The short form of a layer's name: 'layer_12' and '12' are both '12'; a name without digits stays."""
    digits = name[len(name.rstrip("0123456789")) :]
    return digits or name
