"""Cuts the two embedded files of real Geant4 showers out of the full CaloGAN-like file.

    python scripts/make_embedded_sample.py calogan_positrons.hdf5 [--out src/caloforge/data]

Equal input gives equal bytes with equal versions of h5py and zlib. Deposits and energies are copied bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import h5py

PARTS = {
    "calogan_positrons_heldout.hdf5": (0, 1000),
    "calogan_positrons_training.hdf5": (1000, 2500),
}
DATASETS = ("incident_energies", "showers", "overflow")
LIMIT_BYTES = 6_000_000
CHUNK_ROWS = 250


def cut(source: h5py.File, target: Path, start: int, stop: int, checksum: str) -> None:
    """Copy the rows [start, stop) of every dataset and all attributes that still hold."""
    with h5py.File(target, "w") as out:
        for name, value in source.attrs.items():
            if not name.startswith("showers_turned"):
                out.attrs[name] = value
        out.attrs["source_file"] = Path(source.filename).name
        out.attrs["source_sha256"] = checksum
        out.attrs["source_first_row"] = start
        out.attrs["source_stop_row"] = stop
        for name in DATASETS:
            rows = source[name][start:stop]
            chunks = (min(CHUNK_ROWS, len(rows)), *rows.shape[1:])
            out.create_dataset(name, data=rows, chunks=chunks, compression="gzip", compression_opts=9, shuffle=True)


def main() -> None:
    """Write both files and check that they stay small."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src" / "caloforge" / "data")
    arguments = parser.parse_args()
    checksum = hashlib.sha256(arguments.source.read_bytes()).hexdigest()
    arguments.out.mkdir(parents=True, exist_ok=True)
    total = 0
    with h5py.File(arguments.source, "r") as source:
        for name, (start, stop) in PARTS.items():
            target = arguments.out / name
            cut(source, target, start, stop, checksum)
            total += target.stat().st_size
            print(f"{target}: rows {start}-{stop - 1}, {target.stat().st_size} bytes")
    if total > LIMIT_BYTES:
        sys.exit(f"The embedded sample has {total} bytes, more than {LIMIT_BYTES}; take fewer rows.")


if __name__ == "__main__":
    main()
