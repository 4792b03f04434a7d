"""`caloforge doctor`: what of Geant4, its tables, the extras and the GPU can be used, and what to do about the rest."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated

import typer

_EXTRAS = (
    ("geant4_pybind", "geant4-pybind", "geant4", "simulate showers"),
    ("distributed", "distributed", "dask", "simulate on a cluster"),
    ("onnxruntime", "onnxruntime", "onnx", "export models and run them with ONNX Runtime"),
    ("openvino", "openvino", "openvino", "time models with OpenVINO"),
    ("keras", "keras", "keras", "time models with Keras"),
    ("jax", "jax", "jax", "time models with JAX"),
    ("sofie", "sofie", "sofie", "compile models with ROOT's SOFIE"),
    ("memray", "memray", "memray", "trace the memory of generation"),
)


def doctor(
    geant4_data: Annotated[str | None, typer.Option(help="Folder of Geant4's data tables, or 'subset'.")] = None,
) -> None:
    """Say in one page what can be used here, and what to do about what cannot."""
    from caloforge import __version__

    tables = _tables(geant4_data)
    shower = _geant4(geant4_data) if len(tables) > 1 else ("no", "a shower with Geant4", "not tried without tables")
    lines = [("yes", "caloforge", __version__), *_extras(), *tables, shower, *_torch()]
    for state, name, said in lines:
        typer.echo(f"{state:<4} {name:<26} {said}")


def _extras() -> list[tuple[str, str, str]]:
    found = []
    for module, package, extra, purpose in _EXTRAS:
        if find_spec(module) is None:
            found.append(("no", package, f"to {purpose}: pip install 'caloforge[{extra}]'"))
        else:
            try:
                found.append(("yes", package, version(package)))
            except PackageNotFoundError:
                found.append(("yes", package, "of unknown version"))
    return found


def _tables(place: str | None) -> list[tuple[str, str, str]]:
    from caloforge.errors import CaloforgeError
    from caloforge.simulation import DATA_SETS, find_tables

    try:
        tables = find_tables(place)
    except CaloforgeError as error:
        return [("no", "Geant4 data tables", str(error))]
    remedies = {
        "em": "for every simulation: caloforge geant4-data install",
        "hadronic": "for hadronic physics: caloforge geant4-data install --hadronic",
    }
    part = " (the part that comes along)" if tables.built_in else ""
    return [
        ("yes", each.folder, f"{tables.folders[each.name]}{part}")
        if each.name in tables.folders
        else ("no", each.folder, remedies[each.needed_for])
        for each in DATA_SETS
        if each.needed_for
    ]


def _geant4(place: str | None) -> tuple[str, str, str]:
    """A shower of 100 MeV in a process of its own, since Geant4 may end the process."""
    from caloforge.simulation.trial import try_geant4

    worked, said = try_geant4(place)
    return ("yes" if worked else "no", "a shower with Geant4", said)


def _torch() -> list[tuple[str, str, str]]:
    import torch

    lines = [("yes", "PyTorch", f"{torch.__version__}, {torch.get_num_threads()} threads")]
    if torch.cuda.is_available():
        lines.append(("yes", "GPU", torch.cuda.get_device_name(0)))
    else:
        lines.append(
            ("no", "GPU", "none is usable: models run on the processor; install a CUDA build of PyTorch for one")
        )
    return lines
