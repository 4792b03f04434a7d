"""Names of recipes, formats and models resolve through one table per room, which entry points extend."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from caloforge.errors import CaloforgeError

T = TypeVar("T")


def nearest(name: str, names: Iterator[str] | list[str]) -> str:
    """' Did you mean ...?' for the name closest to a mistyped one, or nothing."""
    close = get_close_matches(name, list(names), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


class Registry(Generic[T]):
    """A table of named things of one kind, which the entry-point group `group` extends, e.g. 'caloforge.models'."""

    def __init__(self, kind: str, group: str) -> None:
        self.kind, self.group = kind, group
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Add one entry under its name and return it."""
        self._entries[name] = entry
        return entry

    def names(self) -> list[str]:
        """All names, those of entry points included."""
        return sorted({*self._entries, *(point.name for point in entry_points(group=self.group))})

    def __getitem__(self, name: str) -> T:
        """The entry of a name; raises CaloforgeError that lists the names and suggests the nearest."""
        if name in self._entries:
            return self._entries[name]
        for point in entry_points(group=self.group):
            if point.name == name:
                entry: T = point.load()
                return self.add(name, entry)
        names = self.names()
        raise CaloforgeError(f"'{name}' is no {self.kind} (there are {', '.join(names)}).{nearest(name, names)}")
