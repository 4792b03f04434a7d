"""Geant4: what a calorimeter is built of becomes showers, reproducibly, in worker processes."""

from caloforge.simulation.cluster import run_on_dask
from caloforge.simulation.plan import Chunk, Plan, open_plan
from caloforge.simulation.produce import Produced, missing_chunks, produce
from caloforge.simulation.request import Request
from caloforge.simulation.tables import DATA_SETS, DataSet, Tables, find_tables
from caloforge.simulation.worker import run_here

__all__ = [
    "DATA_SETS",
    "Chunk",
    "DataSet",
    "Plan",
    "Produced",
    "Request",
    "Tables",
    "find_tables",
    "missing_chunks",
    "open_plan",
    "produce",
    "run_here",
    "run_on_dask",
]
