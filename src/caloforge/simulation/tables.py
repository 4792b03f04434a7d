"""Geant4's data tables: which there are, where they lie, and what a run needs of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from caloforge.errors import CaloforgeError

VARIABLE = "CALOFORGE_GEANT4_DATA"
SUBSET = "subset"
"""Name of the tables that come along: enough for electromagnetic showers in the materials of the presets."""

_BUILT_IN = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class DataSet:
    """One of Geant4's data sets: its environment variable, version, archive, and the archive's SHA-256 (hex digits).

    needed_for: "em" for every run, "hadronic" for hadronic physics, "" for special physics that is not offered here.
    """

    name: str
    version: str
    variable: str
    archive: str
    sha256: str
    needed_for: str = ""

    @property
    def folder(self) -> str:
        """Name of the folder that the archive unpacks to."""
        return f"{self.name}{self.version}"

    @property
    def file(self) -> str:
        """Name of the archive."""
        return f"{self.archive}.{self.version}.tar.gz"


DATA_SETS: tuple[DataSet, ...] = (
    DataSet(
        "G4EMLOW",
        "8.8",
        "G4LEDATA",
        "G4EMLOW",
        "b60cfd63176f5d16107e2a25b35b235155032d1735d749670ca50fede12624cf",
        "em",
    ),
    DataSet(
        "G4ENSDFSTATE",
        "3.0",
        "G4ENSDFSTATEDATA",
        "G4ENSDFSTATE",
        "4bdc3bd40b31d43485bf4f87f055705e540a6557d64ed85c689c59c9a4eba7d6",
        "em",
    ),
    DataSet(
        "PhotonEvaporation",
        "6.1.2",
        "G4LEVELGAMMADATA",
        "G4PhotonEvaporation",
        "02149c0ab91d88ee24e78532558777e39a068b9fcdd199136101ff58e635e742",
        "hadronic",
    ),
    DataSet(
        "G4PARTICLEXS",
        "4.2",
        "G4PARTICLEXSDATA",
        "G4PARTICLEXS",
        "c52bbf86aaa589b78aba80b16ab0adf1041ea300de5395865b97fcee6eb55851",
        "hadronic",
    ),
    DataSet(
        "G4SAIDDATA",
        "2.0",
        "G4SAIDXSDATA",
        "G4SAIDDATA",
        "1d26a8e79baa71e44d5759b9f55a67e8b7ede31751316a9e9037d80090c72e91",
        "hadronic",
    ),
    DataSet(
        "RadioactiveDecay",
        "6.1.2",
        "G4RADIOACTIVEDATA",
        "G4RadioactiveDecay",
        "a40d7e3ebc64d35555c4a49d0ff1e0945cd605d84354d053121293914caea13a",
    ),
    DataSet(
        "G4NDL",
        "4.7.1",
        "G4NEUTRONHPDATA",
        "G4NDL",
        "d3acae48622118d2579de24a54d533fb2416bf0da9dd288f1724df1485a46c7c",
    ),
    DataSet(
        "G4PII",
        "1.3",
        "G4PIIDATA",
        "G4PII",
        "6225ad902675f4381c98c6ba25fc5a06ce87549aa979634d3d03491d6616e926",
    ),
    DataSet(
        "RealSurface",
        "2.2",
        "G4REALSURFACEDATA",
        "G4RealSurface",
        "9954dee0012f5331267f783690e912e72db5bf52ea9babecd12ea22282176820",
    ),
    DataSet(
        "G4ABLA",
        "3.3",
        "G4ABLADATA",
        "G4ABLA",
        "1e041b3252ee9cef886d624f753e693303aa32d7e5ef3bba87b34f36d92ea2b1",
    ),
    DataSet(
        "G4INCL",
        "1.3",
        "G4INCLDATA",
        "G4INCL",
        "e4b3dbe52acef53536454e22443091212843821bd23628eed846d299599f3bf9",
    ),
    DataSet(
        "G4CHANNELING",
        "2.0",
        "G4CHANNELINGDATA",
        "G4CHANNELING",
        "662159288644e07b79d7fe091efbebba52b59546b3dc6f5d285b976ad12f2d06",
    ),
)
"""All data sets of Geant4 11.4, as its build lists them; checksums: those of the Homebrew formula `geant4`."""


def install_folder() -> Path:
    """Where `caloforge geant4-data install` puts the official tables unless it is told otherwise."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "caloforge" / "geant4-data"


@dataclass(frozen=True)
class Tables:
    """The folders of the data sets that are there, by data set, and where they came from (for provenance)."""

    root: Path
    folders: Mapping[str, Path]

    @property
    def built_in(self) -> bool:
        """Whether these are the tables that come along."""
        return self.root == _BUILT_IN

    @property
    def name(self) -> str:
        """What `find_tables` finds these tables by, on another machine as well where they come along."""
        return SUBSET if self.built_in else str(self.root)

    def origin(self) -> dict[str, str]:
        """Data sets by name: the folder's own name, which carries the version, or what the subset says of itself."""
        return {name: "subset" if self.built_in else folder.name for name, folder in sorted(self.folders.items())}

    def environment(self, empty: Path) -> dict[str, str]:
        """Values of the environment variables of all data sets; those that are not there point to an empty folder.

        Without all of them the bindings ask for a download when they are imported; without GEANT4_DATA_DIR they also
        tidy a folder of their own where CI=true, and fail where there is none.
        """
        sets = {each.variable: str(self.folders.get(each.name, empty)) for each in DATA_SETS}
        return {**sets, "GEANT4_DATA_DIR": str(empty)}

    def commands(self) -> tuple[str, ...]:
        """Geant4 commands that must precede initialisation because of what the low-energy tables do not hold."""
        low_energy = self.folders["G4EMLOW"]
        found = []
        if not (low_energy / "epics2017").is_dir():
            found.append("/process/em/LivermoreData livermore")
        if not (low_energy / "fluor").is_dir():
            found.append("/process/em/fluo false")
        return tuple(found)


def find_tables(place: str | Path | None = None) -> Tables:
    """The tables in a folder, by name `subset`, from the variable CALOFORGE_GEANT4_DATA, or where they are installed.

    Raises CaloforgeError where there are none.
    """
    named = str(place) if place is not None else os.environ.get(VARIABLE, "")
    root = _BUILT_IN if named == SUBSET else Path(named).expanduser().absolute() if named else install_folder()
    folders = {}
    for each in DATA_SETS:
        for name in (each.folder, each.name):
            if (root / name).is_dir():
                folders[each.name] = root / name
                break
    if not folders:
        where = "--geant4-data" if place is not None else VARIABLE if named else "the folder of installed tables"
        raise CaloforgeError(
            f"No Geant4 data tables were found in {root} ({where}); run `caloforge geant4-data install`, name a folder "
            f"that holds G4EMLOW{DATA_SETS[0].version}, or give --geant4-data {SUBSET} for electromagnetic showers."
        )
    return Tables(root, folders)


def require_sets(tables: Tables, hadronic: bool) -> None:
    """Raise CaloforgeError, which names data set and command, where a whole data set is missing."""
    for each in DATA_SETS:
        needed = each.needed_for == "em" or (hadronic and each.needed_for == "hadronic")
        if needed and each.name not in tables.folders:
            purpose = "hadronic physics" if each.needed_for == "hadronic" else "every simulation"
            raise CaloforgeError(
                f"The Geant4 data set {each.folder} is missing in {tables.root}, but {purpose} needs it; "
                f"run `caloforge geant4-data install{' --hadronic' if each.needed_for == 'hadronic' else ''}`."
            )


def require_elements(tables: Tables, elements: Iterable[int]) -> None:
    """Raise CaloforgeError where a low-energy table of one of the elements (atomic numbers) is missing or cut short.

    Tables that say at their head how many numbers follow are read through: Geant4 takes what there is of them.
    """
    low_energy = tables.folders["G4EMLOW"]
    newest = (low_energy / "epics2017").is_dir()
    photoelectric = "epics2017/phot" if newest else "livermore/phot_epics2014"
    rayleigh = "epics2017/rayl" if newest else "livermore/rayl"
    for z in sorted(set(elements)):
        for file, declared in (
            (f"brem_SB/br{z}", _in_plane),
            (f"{photoelectric}/pe-cs-{z}.dat", _in_vector),
            (f"{photoelectric}/pe-low-{z}.dat", _in_shells),
            (f"{photoelectric}/pe-high-{z}.dat", _in_shells),
            (f"{rayleigh}/re-cs-{z}.dat", _in_vector),
        ):
            table = low_energy / file
            if table.is_file() and _is_whole(table, declared):
                continue
            state = "is damaged" if table.exists() else "is missing"
            hint = "; the tables that come along hold the elements of the presets only" if tables.built_in else ""
            raise CaloforgeError(
                f"The Geant4 table {table} of the element with Z = {z} {state}{hint}; "
                "run `caloforge geant4-data install` and leave out --geant4-data."
            )


def _is_whole(table: Path, declared: Callable[[list[str]], int]) -> bool:
    """Whether a table holds numbers, and as many as its head declares."""
    words = table.read_text(encoding="latin-1").split()
    try:
        return len(words) >= declared(words) and math.isfinite(float(words[-1]))
    except (ValueError, IndexError):
        return False


def _in_plane(words: list[str]) -> int:
    """Numbers in a table over two axes: type, their lengths, both axes, values (Geant4's G4Physics2DVector)."""
    x, y = int(words[1]), int(words[2])
    return 3 + x + y + x * y


def _in_vector(words: list[str]) -> int:
    """Numbers in a table over one axis: its ends, its length, the length again, pairs (Geant4's G4PhysicsVector)."""
    return 4 + 2 * int(words[2])


def _in_shells(words: list[str]) -> int:
    """Numbers in a table of shells: how many there are and how many are used, an energy, seven numbers a shell."""
    return 3 + 7 * int(words[1])
