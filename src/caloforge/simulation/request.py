"""What a simulation is asked for: everything that fixes its content, checked before Geant4 starts."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import Construction, Detector, from_json, to_json
from caloforge.errors import CaloforgeError
from caloforge.randomness import numpy_generator, stream_seed
from caloforge.registry import nearest
from caloforge.showers.energies import parse_energies
from caloforge.simulation.grid import Grid
from caloforge.simulation.laws import Law, parse_law
from caloforge.simulation.particles import EM, geant4_name, require_physics
from caloforge.simulation.steps import MIDPOINT, POINTS, PRESTEP

LOWEST_MEV, HIGHEST_MEV = 1.0, 1e8
_STEEPEST = math.radians(60)

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Request:
    """Showers to be simulated; equal requests give equal showers.

    detectors: read-outs that score the same showers; they share one construction.
    particle:  name as in `geant4_name`. energies: kinetic energy, as in `parse_energies`.
    n:         how many showers (of each energy, where energies are listed); None only for a list.
    theta, phi: polar and azimuthal angle of the particle to the z axis, along which boxes are stacked and which is a
               cylinder's axis (e.g. "30deg", "uniform:0:10deg"); theta None is perpendicular incidence.
    smear:     law of the shift of the particle across its direction, in two directions, e.g. "uniform:-5:5mm".
    cut_mm:    production cut in range. physics: "em" or "FTFP_BERT".
    scoring:   which point of a step decides its voxel; None: the detector's custom.
    turned:    further voxelisations of each shower, turned about the beam by random angles.

    Raises CaloforgeError for whatever cannot be simulated.
    """

    detectors: tuple[Detector, ...]
    particle: str
    energies: str
    n: int | None = None
    seed: int = 0
    theta: str | None = None
    phi: str = "0deg"
    smear: str = "0mm"
    cut_mm: float = 0.7
    physics: str = EM
    scoring: str | None = None
    turned: int = 0

    def __post_init__(self) -> None:
        if self.n is not None and self.n < 1:
            raise CaloforgeError(f"-n is {self.n}; ask for at least one shower.")
        if not self.detectors:
            raise CaloforgeError("no detector is named; give --detector, e.g. ds2 or calogan.")
        geant4_name(self.particle)
        require_physics(self.particle, self.physics)
        if not (math.isfinite(self.cut_mm) and self.cut_mm > 0):
            raise CaloforgeError(f"--cut is {self.cut_mm} mm; give a range above zero, e.g. 0.7.")
        if self.scoring is not None and self.scoring not in POINTS:
            raise CaloforgeError(
                f"--scoring is '{self.scoring}', but there are {', '.join(POINTS)}."
                f"{nearest(self.scoring, list(POINTS))}"
            )
        for detector in self.detectors:
            if detector.construction is None:
                raise CaloforgeError(
                    f"'{detector.name}' does not say what it is built of; add a construction (plates with material and "
                    "thickness) to its description."
                )
            if detector.construction != self.construction:
                raise CaloforgeError(
                    f"'{self.detectors[0].name}' and '{detector.name}' are built differently and cannot score the same "
                    "showers; simulate them one by one."
                )
            self._check_layers(detector)
        self._check_energies()
        self._check_angles()
        self._check_shifts()
        if self.turned < 0:
            raise CaloforgeError(f"--turned is {self.turned}; give 0 or more.")
        if self.turned and not self._round:
            raise CaloforgeError(
                f"--turned needs a detector that is the same all around the beam, which '{self.detectors[0].name}' at "
                "these angles and positions is not; take plates (boxes), perpendicular incidence and no smearing."
            )

    @property
    def construction(self) -> Construction:
        """What all detectors are built of."""
        construction = self.detectors[0].construction
        assert construction is not None
        return construction

    @property
    def barrel(self) -> bool:
        """Whether the construction is a cylinder."""
        return self.construction.shape == "cylinder"

    @cached_property
    def point(self) -> str:
        """Which point of a step decides: as asked, or the middle in a cylinder and the start in boxes."""
        return self.scoring or (MIDPOINT if self.barrel else PRESTEP)

    @cached_property
    def theta_law(self) -> Law:
        """Law of theta, in rad."""
        usual = "90deg" if self.barrel else "0deg"
        return parse_law(self.theta or usual, "--theta", ("deg", "rad", "mrad"))

    @cached_property
    def phi_law(self) -> Law:
        """Law of phi, in rad."""
        return parse_law(self.phi, "--phi", ("deg", "rad", "mrad"))

    @cached_property
    def smear_law(self) -> Law:
        """Law of the shift in either direction, in mm."""
        return parse_law(self.smear, "--smear", ("mm", "cm"))

    @property
    def perpendicular(self) -> bool:
        """Whether every particle meets the plates at a right angle."""
        law = self.theta_law
        return law.kind == "fixed" and math.isclose(law.numbers[0], math.pi / 2 if self.barrel else 0, abs_tol=1e-12)

    @property
    def _round(self) -> bool:
        return not self.barrel and self.perpendicular and self.smear_law.is_zero

    def _check_layers(self, detector: Detector) -> None:
        behind = Grid.of(detector).fronts_mm >= self.construction.depth_mm
        if behind.any():
            layer = detector.layers[int(behind.argmax())]
            raise CaloforgeError(
                f"Layer '{layer.name}' of '{detector.name}' begins at {layer.front_mm:g} mm, behind its last plate, "
                f"which ends at {self.construction.depth_mm:g} mm; correct the layers' depths or the plates."
            )

    def _check_energies(self) -> None:
        energies = self.energies_mev
        outside = (energies < LOWEST_MEV) | (energies > HIGHEST_MEV)
        if outside.any():
            raise CaloforgeError(
                f"--energies {self.energies} contains {float(energies[outside][0]):g} MeV; "
                f"showers are simulated from {LOWEST_MEV:g} MeV to {HIGHEST_MEV / 1e6:g} TeV."
            )

    def _check_angles(self) -> None:
        self.phi_law, self.smear_law  # noqa: B018
        law, construction = self.theta_law, self.construction
        ends = law.numbers if law.kind != "gauss" else (-law.largest, law.largest)
        for theta in ends:
            if self.barrel:
                reach = construction.front_mm + construction.depth_mm
                inside = 0 < theta < math.pi and abs(reach / math.tan(theta)) < construction.width_mm / 2
                limit = f"a barrel of {construction.width_mm:g} mm is hit inside"
            else:
                inside = abs(theta) <= _STEEPEST
                limit = f"plates are hit at up to {math.degrees(_STEEPEST):.0f} degrees"
            if not inside:
                raise CaloforgeError(
                    f"--theta {self.theta} reaches {math.degrees(theta):g} degrees, but {limit}; choose other angles."
                )

    def _check_shifts(self) -> None:
        largest, construction = self.smear_law.largest, self.construction
        limit_mm = construction.front_mm if self.barrel else construction.width_mm / 2
        if largest >= limit_mm:
            where = "inside its inner radius" if self.barrel else "on its plates"
            raise CaloforgeError(
                f"--smear {self.smear} reaches {largest:g} mm, but particles of '{self.detectors[0].name}' must start "
                f"{where} (below {limit_mm:g} mm); choose smaller shifts."
            )

    def __len__(self) -> int:
        return len(self.energies_mev)

    @cached_property
    def energies_mev(self) -> NDArray[np.float32]:
        """Incident (kinetic) energies (N,) in MeV."""
        return parse_energies(self.energies, self.n, self.seed)

    def _draws(self, law: Law, purpose: str) -> Doubles:
        return law.draw(len(self), numpy_generator(self.seed, purpose))

    @cached_property
    def theta_rad(self) -> Doubles:
        """Polar angles (N,)."""
        return self._draws(self.theta_law, "incident-theta")

    @cached_property
    def phi_rad(self) -> Doubles:
        """Azimuthal angles (N,)."""
        return self._draws(self.phi_law, "incident-phi")

    @cached_property
    def shifts_mm(self) -> Doubles:
        """Shifts across the direction (N, 2)."""
        return np.stack([self._draws(self.smear_law, f"incident-shift-{axis}") for axis in "xy"], axis=1)

    def conditions(self, first: int, stop: int) -> dict[str, NDArray[np.float32]]:
        """What the showers [first, stop) depend on beside their energy, as far as it was asked for."""
        found = {}
        if not self.perpendicular or not self.phi_law.is_zero:
            found["incident_theta"] = self.theta_rad[first:stop].astype(np.float32)
            found["incident_phi"] = self.phi_rad[first:stop].astype(np.float32)
        if not self.smear_law.is_zero:
            found["incident_shift_mm"] = self.shifts_mm[first:stop].astype(np.float32)
        return found

    def seeds(self, shower: int) -> list[int]:
        """Two seeds of 31 bits of one shower, which depend on the seed and the shower's number alone."""
        whole = stream_seed(self.seed, "geant4-shower", shower)
        return [(whole & 0x7FFFFFFF) or 1, ((whole >> 31) & 0x7FFFFFFF) or 1]

    def turns_rad(self, shower: int) -> Doubles:
        """Angles of the further voxelisations of one shower, (turned,)."""
        return numpy_generator(self.seed, "turned", shower).uniform(0, 2 * np.pi, self.turned)

    def document(self) -> dict[str, Any]:
        """The request as JSON values; `from_document` gives it back."""
        plain = {key: value for key, value in asdict(self).items() if key != "detectors"}
        return {**plain, "detectors": [json.loads(to_json(detector)) for detector in self.detectors]}

    @staticmethod
    def from_document(document: dict[str, Any]) -> Request:
        """The request that `document` wrote down."""
        detectors = tuple(from_json(json.dumps(each)) for each in document["detectors"])
        return Request(**{**document, "detectors": detectors})

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the request."""
        return hashlib.sha256(json.dumps(self.document(), sort_keys=True).encode()).hexdigest()[:16]
