"""Inputs for the C++ programs, and the same shower from Python.

    python examples/cpp/make_inputs.py calogan-vae 50000 inputs.txt

writes incident energy (MeV) and noise to inputs.txt and prints voxel and energy in MeV of everything that is hit.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from caloforge.deployment.graph import ENERGY, generation_module
from caloforge.models.pretrained import checkpoint_folder


def main(checkpoint: str, energy_mev: str, path: str) -> None:
    """Write the inputs and print the shower."""
    module = generation_module(checkpoint_folder(checkpoint))
    inputs = module.example(1)
    inputs[ENERGY] = torch.tensor([[float(energy_mev)]])
    lines = []
    for name, value in inputs.items():
        lines.append(f"{name} {value.dim()} {' '.join(str(size) for size in value.shape)}")
        lines.append(" ".join(f"{number:.9g}" for number in value.flatten().tolist()))
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    with torch.no_grad():
        shower = module(*inputs.values())[0]
    for voxel, energy in enumerate(shower.tolist()):
        if energy > 0:
            print(f"{voxel} {energy:.3e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
