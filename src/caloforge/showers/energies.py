"""Incident energies as they are written on the command line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caloforge.errors import CaloforgeError
from caloforge.randomness import numpy_generator
from caloforge.showers.store import open_showers


def parse_energies(text: str, n: int | None, seed: int) -> NDArray[np.float32]:
    """Incident energies in MeV (N,) from "log:1:100GeV", "uniform:1:100GeV" or a list such as "1,10,50GeV".

    The first two draw n energies (from the seed's stream of this purpose); a list is n showers of each energy
    (one where n is None). Units MeV, GeV, TeV. Raises CaloforgeError on anything else.
    """

    hint = f"--energies {text}: expected log:1:100GeV, uniform:1:100GeV or a list like 1,10,50GeV (MeV, GeV or TeV)"
    match = re.fullmatch(r"\s*(?:(log|uniform):)?([0-9.eE+,:\- ]+?)\s*(MeV|GeV|TeV)\s*", text)
    if match is None:
        raise CaloforgeError(f"{hint}.")
    law, numbers, unit = match.groups()
    scale = {"MeV": 1.0, "GeV": 1e3, "TeV": 1e6}[unit]
    try:
        values = [float(v) * scale for v in numbers.split(":" if law else ",")]
    except ValueError as error:
        raise CaloforgeError(f"{hint}.") from error
    if any(not np.isfinite(v) or v <= 0 for v in values):
        raise CaloforgeError(f"{hint}; energies are above zero.")
    if not law:
        return np.repeat(np.asarray(values, dtype=np.float32), 1 if n is None else n)
    if len(values) != 2 or values[0] > values[1]:
        raise CaloforgeError(f"{hint}; a range is its lower and its upper end.")
    if n is None:
        raise CaloforgeError(f"--energies {text} needs -n, the number of showers.")
    draws = numpy_generator(seed, "incident-energies").random(n)
    low, high = values
    energies = low * (high / low) ** draws if law == "log" else low + (high - low) * draws
    return np.clip(energies.astype(np.float32), np.float32(low), np.float32(high))


def energies_like(path: Path | str, n: int | None = None) -> NDArray[np.float32]:
    """Incident energies (N,) in MeV of the first n showers of a file (None: of all).

    Raises CaloforgeError where the file cannot be read or has fewer.
    """
    file = open_showers(path)
    total = len(file) if n is None else n
    if total > len(file):
        raise CaloforgeError(f"{path} has {len(file)} showers, fewer than the {n} asked for; give a smaller -n.")
    chunks = [chunk.incident_energy_mev for chunk in file.chunks(stop=total)]
    energies: NDArray[np.float32] = np.concatenate([np.zeros(0), *chunks]).astype(np.float32)
    return energies
