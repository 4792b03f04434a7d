"""The embedded Geant4 sample is there, small, physical, and its two files share no shower."""

from __future__ import annotations

from importlib.resources import as_file, files

import h5py
import numpy as np
import pytest

PARTS = {"calogan_positrons_heldout.hdf5": (0, 1000), "calogan_positrons_training.hdf5": (1000, 2500)}


def _read(name: str) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    with as_file(files("caloforge") / "data" / name) as path, h5py.File(path, "r") as file:
        return {key: file[key][:] for key in file}, dict(file.attrs)


@pytest.mark.parametrize("name", PARTS)
def test_contents(name: str) -> None:
    arrays, attributes = _read(name)
    start, stop = PARTS[name]
    energies, showers = arrays["incident_energies"], arrays["showers"]
    assert energies.shape == (stop - start, 1) and showers.shape == (stop - start, 504)
    assert arrays["overflow"].shape == (stop - start, 3)
    assert (attributes["source_first_row"], attributes["source_stop_row"]) == (start, stop)
    assert attributes["detector"] == "calogan" and attributes["energy_unit"] == "MeV"
    assert energies.min() >= 1e3 and energies.max() <= 1e5
    assert np.isfinite(showers).all() and (showers >= 0).all()
    response = showers.sum(axis=1, dtype=np.float64) / energies[:, 0]
    assert 0.99 < response.mean() < 1.0


def test_no_shower_is_in_both() -> None:
    held_out, training = (_read(name)[0]["showers"] for name in PARTS)
    assert not {row.tobytes() for row in held_out} & {row.tobytes() for row in training}


def test_it_is_small() -> None:
    sizes = [len((files("caloforge") / "data" / name).read_bytes()) for name in PARTS]
    assert sum(sizes) <= 6_000_000
