"""Protocols: what is judged and by what procedure; a number without its protocol means nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from caloforge.errors import CaloforgeError
from caloforge.registry import Registry


@dataclass(frozen=True)
class Protocol:
    """One way to judge, named in every result.

    classifiers: whether classifiers are trained at all; folds and seeds of the cross-validation; rows: at most so
    many showers of each class; bootstrap: resamplings for the error; floor_splits: Geant4-against-Geant4 repetitions
    (0: take the stored floor); epochs: of the networks; separation_splits: repetitions of the separations' floor.
    """

    name: str
    classifiers: bool
    folds: int = 5
    seeds: int = 3
    rows: int = 5000
    bootstrap: int = 200
    floor_splits: int = 20
    epochs: int = 30
    separation_splits: int = 10
    version: int = 1

    def quick(self) -> Protocol:
        """The form for demonstrations and tests: 250 showers, one seed, stored floor."""
        return replace(self, name=f"{self.name}-quick", rows=250, seeds=1, floor_splits=0, separation_splits=5)


PROTOCOLS: Registry[Protocol] = Registry("protocol", "caloforge.protocols")
PROTOCOLS.add("caloforge-1", Protocol("caloforge-1", classifiers=False))
PROTOCOLS.add("small-n", Protocol("small-n", classifiers=True))


def find_protocol(name: str, quick: bool = False) -> Protocol:
    """The protocol of a name; raises CaloforgeError for one that does not exist."""
    found = PROTOCOLS[name]
    if found.folds < 2:
        raise CaloforgeError(f"Protocol '{name}' has folds = {found.folds}, expected at least 2; use another protocol.")
    return found.quick() if quick else found
