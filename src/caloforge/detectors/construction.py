"""What a calorimeter is built of: plates of material, as Geant4 needs them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from caloforge.errors import CaloforgeError

SHAPES = ("boxes", "cylinder")


@dataclass(frozen=True)
class Material:
    """A material that Geant4 does not have under a name, e.g. liquid argon of another density.

    density_g_cm3: in g/cm3.
    parts:         (name, mass fraction) of elements ("Ar") or of Geant4's materials ("G4_Ar"); fractions add up to 1.

    Raises CaloforgeError for a density that is not positive and fractions that do not add up.
    """

    name: str
    density_g_cm3: float
    parts: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        parts = tuple((str(name), float(fraction)) for name, fraction in self.parts)
        object.__setattr__(self, "parts", parts)
        if not (math.isfinite(self.density_g_cm3) and self.density_g_cm3 > 0):
            raise CaloforgeError(
                f"The material '{self.name}' has the density {self.density_g_cm3} g/cm3; it must be above zero."
            )
        total = sum(fraction for _, fraction in parts)
        if not parts or min(fraction for _, fraction in parts) <= 0 or not math.isclose(total, 1, rel_tol=1e-6):
            raise CaloforgeError(
                f"The mass fractions of the material '{self.name}' are {dict(parts)}; "
                "give positive ones that add up to 1."
            )


@dataclass(frozen=True)
class Plate:
    """One plate: its material (Geant4's name or a `Material`'s), thickness in mm, and whether it is read out.

    Raises CaloforgeError for a thickness that is not positive and a `read` that is neither true nor false.
    """

    material: str
    thickness_mm: float
    read: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.thickness_mm) and self.thickness_mm > 0):
            raise CaloforgeError(
                f"A plate of '{self.material}' is {self.thickness_mm} mm thick; give a thickness above zero."
            )
        if self.read not in (True, False):
            raise CaloforgeError(f"A plate of '{self.material}' has read={self.read!r}; give true or false.")


@dataclass(frozen=True)
class Construction:
    """A stack of plates, flat or bent to a barrel, and where the particle starts; its depths begin at the first plate.

    shape:        "boxes": plates across +z, `width_mm` wide in x and y; the particle flies along +z and the detector's
                  grid stands still. "cylinder": concentric plates around an axis, `width_mm` long; the particle leaves
                  the axis, and the grid lies around its direction, alpha = 0 along the axis (as in Geant4's Par04).
    plates:       from the front to the back.
    front_mm:     from the particle's start to the first plate; of a cylinder, its inner radius.
    surroundings: material around the plates and before them.
    scale:        what is read out is multiplied by it, e.g. by the inverse sampling fraction.
    materials:    those that Geant4 does not know.

    Raises CaloforgeError for an unknown shape, no plates, none that is read out, and numbers that are not positive.
    """

    shape: str
    plates: tuple[Plate, ...]
    front_mm: float
    width_mm: float
    surroundings: str = "G4_AIR"
    scale: float = 1.0
    materials: tuple[Material, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "plates", tuple(self.plates))
        object.__setattr__(self, "materials", tuple(self.materials))
        if self.shape not in SHAPES:
            raise CaloforgeError(f"The construction's shape is '{self.shape}'; give one of {', '.join(SHAPES)}.")
        if not self.plates:
            raise CaloforgeError("The construction has no plates; give at least one.")
        if not any(plate.read for plate in self.plates):
            raise CaloforgeError('No plate of the construction is read out; give "read": true to those that are.')
        for name in ("front_mm", "width_mm", "scale"):
            value = float(getattr(self, name))
            object.__setattr__(self, name, value)
            if not (math.isfinite(value) and value > 0):
                raise CaloforgeError(f"The construction's {name} is {value}; it must be above zero.")

    @cached_property
    def depth_mm(self) -> float:
        """Thickness of all plates together, in mm."""
        return math.fsum(plate.thickness_mm for plate in self.plates)

    @property
    def material_names(self) -> tuple[str, ...]:
        """Every material that occurs, each once, the surroundings first."""
        return tuple(dict.fromkeys((self.surroundings, *(plate.material for plate in self.plates))))
