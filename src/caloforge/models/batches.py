"""Batches of one factor's training, encoded afresh in every epoch from Geant4 showers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.factors import Factor
from caloforge.generative.contracts import Batch
from caloforge.models.recipe import Data
from caloforge.randomness import numpy_generator, stream_seed
from caloforge.showers import open_showers, shuffled_chunks

Rows = NDArray[np.int64]

IN_MEMORY_BYTES = 1 << 30
"""Showers up to this size are kept in memory; larger files are read in shuffled chunks."""

_CHUNK_ROWS = 256
_CHUNKS_IN_BUFFER = 16


class ShowerRows:
    """Rows of one file: incident energies (N,) and deposits (N, V) in MeV, and the turned copies of some of them.

    path: the file. detector: what it must hold. Showers are kept in memory where all of `rows` fit into `memory_bytes`.
    """

    def __init__(
        self,
        path: Path,
        detector: Detector,
        rows: Rows,
        *,
        turned: bool = False,
        memory_bytes: int = IN_MEMORY_BYTES,
    ) -> None:
        self.path, self.detector, self.rows = path, detector, rows
        self.file = open_showers(path, detector=detector)
        self.copies, self.turned_first = 0, 0
        if turned:
            self.copies, self.turned_first = _turned_layout(path, detector)
        self.in_memory = len(rows) * detector.n_voxels * 4 * (1 + self.copies) <= memory_bytes
        self._kept: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self._turned: NDArray[np.float32] | None = None
        if self.in_memory and len(rows):
            showers = self.file.read_rows(rows)
            self._kept = (_float32(showers.incident_energy_mev), _float32(showers.deposits_mev))
            if self.copies:
                with_copies = rows[rows >= self.turned_first] - self.turned_first
                if len(with_copies):
                    first, last = int(with_copies[0]), int(with_copies[-1])
                    with h5py.File(path, "r", locking=False) as file:
                        block = file["showers_turned"][first : last + 1]
                    self._turned = block[with_copies - first].astype(np.float32)

    def __len__(self) -> int:
        return len(self.rows)

    def order(self, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
        """Positions in `rows`, shuffled, in pieces; a function of (seed, epoch)."""
        if self.in_memory:
            yield numpy_generator(seed, "order", epoch).permutation(len(self.rows))
        else:
            yield from shuffled_chunks(len(self.rows), _CHUNK_ROWS, _CHUNKS_IN_BUFFER, seed, epoch)

    def read(self, positions: Rows, copy: Rows | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Incident energies (n,) and deposits (n, V) in MeV; copy (n,): 0 the shower itself, k its k-th turned copy.

        Showers without copies stay themselves.
        """
        if self._kept is not None:
            energy, deposits = self._kept[0][positions], self._kept[1][positions]
        else:
            unique, back = np.unique(self.rows[positions], return_inverse=True)
            showers = self.file.read_rows(unique)
            energy = _float32(showers.incident_energy_mev)[back]
            deposits = _float32(showers.deposits_mev)[back]
        if self.copies and copy is not None:
            where = np.flatnonzero((copy > 0) & (self.rows[positions] >= self.turned_first))
            if len(where):
                deposits[where] = self._read_turned(positions[where], copy[where] - 1)
        return energy, deposits

    def _read_turned(self, positions: Rows, copy: Rows) -> NDArray[np.float32]:
        if self._turned is not None:
            before = len(self.rows) - len(self._turned)
            return self._turned[positions - before, copy]
        unique, back = np.unique(self.rows[positions] - self.turned_first, return_inverse=True)
        with h5py.File(self.path, "r", locking=False) as file:
            copies: NDArray[np.float32] = file["showers_turned"][unique].astype(np.float32)
        return copies[back, copy]


class ShowerBatches:
    """Batches {"x", "context"} of one factor; a function of (seed, epoch, batch) alone, so any batch is found again.

    Noise is fresh in every epoch. With `mirrors`, each shower passes through a random symmetry of its detector; turned
    copies are drawn as often as the shower itself. `fixed` (for validation) keeps order, noise and showers the same.
    """

    def __init__(
        self,
        rows: ShowerRows,
        factor: Factor,
        batch_size: int,
        seed: int,
        *,
        mirrors: bool = False,
        fixed: bool = False,
    ) -> None:
        if not len(rows) or batch_size < 1:
            raise ValueError(f"showers and a batch size above 0 are needed, not {len(rows)} and {batch_size}")
        self.rows, self.factor, self.batch_size, self.seed, self.fixed = rows, factor, batch_size, seed, fixed
        self.views = rows.detector.views(mirrors and not fixed)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch `start` on; those before are not read."""
        for index, positions in enumerate(self._positions(epoch)):
            if index >= start:
                yield self._batch(0 if self.fixed else epoch, index, positions)

    def _positions(self, epoch: int) -> Iterator[Rows]:
        if self.fixed:
            for first in range(0, len(self.rows), self.batch_size):
                yield np.arange(first, min(first + self.batch_size, len(self.rows)))
            return
        waiting = np.empty(0, dtype=np.int64)
        for piece in self.rows.order(self.seed, epoch):
            waiting = np.concatenate([waiting, piece])
            while len(waiting) >= self.batch_size:
                yield waiting[: self.batch_size]
                waiting = waiting[self.batch_size :]
        if len(waiting):
            yield waiting

    def _batch(self, epoch: int, index: int, positions: Rows) -> Batch:
        copy = None
        if self.rows.copies and not self.fixed:
            views = numpy_generator(self.seed, "turned-copy", epoch, index)
            copy = views.integers(0, self.rows.copies + 1, size=len(positions))
        energy, deposits = self.rows.read(positions, copy)
        if len(self.views) > 1:
            chosen = numpy_generator(self.seed, "mirror", epoch, index).integers(
                0, len(self.views), size=len(positions)
            )
            deposits = np.take_along_axis(deposits, self.views[chosen], axis=1)
        purpose = "validation-noise" if self.fixed else "noise"
        generator = torch.Generator().manual_seed(stream_seed(self.seed, purpose, epoch, index))
        with torch.no_grad():
            return self.factor.encode(torch.from_numpy(energy), torch.from_numpy(deposits), generator)


def split_rows(path: Path, n_showers: int, attributes: dict[str, object], data: Data, seed: int) -> tuple[Rows, Rows]:
    """Rows of the file for training and for validation, both ascending.

    Rows of a recipe are counted in the file that the showers come from: one cut from it says in its attribute
    `source_first_row` where it begins, so that held-out showers stay held out.
    Raises CaloforgeError where none are left.
    """
    origin = int(str(attributes.get("source_first_row", 0)))
    first, stop = data.rows if data.rows is not None else (0, None)
    low = max(first - origin, 0)
    high = n_showers if stop is None else min(stop - origin, n_showers)
    rows = np.arange(low, max(low, high))
    n_validation = round(len(rows) * data.validation_fraction)
    if data.validation_fraction > 0:
        n_validation = max(n_validation, 1)
    if len(rows) - n_validation < 1:
        raise CaloforgeError(
            f"{path} holds rows {origin} to {origin + n_showers - 1}, of which rows {first} to "
            f"{'the end' if stop is None else stop - 1} (data.rows) leave {len(rows)}, too few to train on; "
            "change it with --set data.rows='[first, last]', and keep showers for judging apart."
        )
    shuffled = numpy_generator(seed, "validation-split").permutation(rows)
    return np.sort(shuffled[n_validation:]), np.sort(shuffled[:n_validation])


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def _turned_layout(path: Path, detector: Detector) -> tuple[int, int]:
    """Copies of each shower and the first row that has them; (0, 0) where the file has none."""
    with h5py.File(path, "r", locking=False) as file:
        if "showers_turned" not in file:
            return 0, 0
        shape = file["showers_turned"].shape
        n_showers = file["showers"].shape[0]
        first = int(file.attrs.get("showers_turned_first_row", n_showers - shape[0]))
    if len(shape) != 3 or shape[2] != detector.n_voxels or first + shape[0] != n_showers:
        raise CaloforgeError(
            f"showers_turned in {path} has shape {shape}, expected ({n_showers - first}, copies, {detector.n_voxels}): "
            "one row for each shower from showers_turned_first_row on; or set data.turned=false."
        )
    return int(shape[1]), first
