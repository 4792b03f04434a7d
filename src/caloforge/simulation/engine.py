"""Geant4 in this process: one geometry, one physics list, showers by seed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from caloforge.detectors import Construction
from caloforge.errors import CaloforgeError
from caloforge.simulation.aim import Aim, aim
from caloforge.simulation.collect import (
    Collector,
    CompiledCollector,
    Hits,
    PythonCollector,
    Score,
    marked,
)
from caloforge.simulation.particles import EM, geant4_name
from caloforge.simulation.step_layout import StepLayout
from caloforge.simulation.tables import Tables, require_elements, require_sets

SLOW_STEPS = "CALOFORGE_SLOW_STEPS"
"""Set to 1, this environment variable turns the compiled collection of hits off."""

_TRIALS = 50
_TRIAL_MEV = 100.0


@dataclass(frozen=True)
class Primary:
    """One particle to be tracked: its energy in MeV, aim and two seeds."""

    energy_mev: float
    aim: Aim
    seeds: Sequence[int]


def import_geant4(tables: Tables, empty: Path) -> Any:
    """The bindings, imported with the tables' environment; raises CaloforgeError where they are not installed.

    empty: an existing empty folder, which stands for the data sets that are not there.
    """
    os.environ.update(tables.environment(empty))
    try:
        import geant4_pybind
    except ImportError as error:
        raise CaloforgeError(
            f"Geant4 cannot be used ({error}); install it with `pip install 'caloforge[geant4]'`."
        ) from error
    return geant4_pybind


def require_geant4() -> None:
    """Raise CaloforgeError where the bindings are not installed, without importing them."""
    if find_spec("geant4_pybind") is None:
        raise CaloforgeError("Geant4 cannot be used; install it with `pip install 'caloforge[geant4]'`.")


class Engine:
    """One Geant4, ready to track; there can only be one in a process.

    construction, physics ("em" or "FTFP_BERT"), cut_mm: as in `Request`.
    share:    how far along its step a hit lies (`POINTS`).
    compiled: collect hits by machine code where that is possible; `slow_because` says why it was not.

    Raises CaloforgeError where tables, materials or the bindings are missing.
    """

    def __init__(
        self,
        construction: Construction,
        physics: str,
        cut_mm: float,
        share: float,
        tables: Tables,
        empty: Path,
        compiled: bool = True,
    ) -> None:
        require_sets(tables, hadronic=physics != EM)
        self.g4 = import_geant4(tables, empty)
        compiled = compiled and os.environ.get(SLOW_STEPS) != "1"
        self.slow_because = "" if compiled else "it was turned off"
        upright = np.pi / 2 if construction.shape == "cylinder" else 0.0
        self._trial_aim = aim(construction, upright, 0.0, np.zeros(2))
        self._keep: list[Any] = []
        self._queue: list[Primary] = []
        self._particle = "e-"
        self._on_event: Callable[[], None] = _nothing
        self._built = self._materials(construction)
        require_elements(tables, self._elements())
        self.version = _version(self.g4)
        self._manager = self._initialise(construction, physics, cut_mm, tables.commands())
        self._python = PythonCollector(_drop, share)
        self._on_step: Callable[[Any], None] = self._python.see
        self.collector: Collector = self._python
        if compiled:
            self._compile(share)

    def run(self, particle: str, primaries: Sequence[Primary], score: Score, on_event: Callable[[float], None]) -> None:
        """Track primaries one after the other: `score` gets their hits, then `on_event` the CPU seconds of each."""
        self._particle = geant4_name(particle)
        self._queue = list(reversed(primaries))
        clock = _Clock()

        def done() -> None:
            self.collector.finish()
            on_event(clock.lap())

        self._on_event = done
        with self._scoring(score):
            self._manager.BeamOn(len(primaries))

    @contextlib.contextmanager
    def bare(self) -> Iterator[None]:
        """Within it nothing is collected: Geant4 alone, for comparison of times. Needs the compiled collection."""
        assert isinstance(self.collector, CompiledCollector)
        self.collector.attach(self._manager, collecting=False)
        try:
            yield
        finally:
            self.collector.attach(self._manager)

    def _materials(self, construction: Construction) -> dict[str, Any]:
        """Geant4's materials by the construction's names; raises CaloforgeError for unknown ones."""
        nist = self.g4.G4NistManager.Instance()
        own = {material.name: material for material in construction.materials}
        found = {}
        for name in construction.material_names:
            if name in own:
                found[name] = self._own_material(own[name])
            else:
                found[name] = nist.FindOrBuildMaterial(name)
            if found[name] is None:
                raise CaloforgeError(
                    f"'{name}' is no material that Geant4 knows; take one of its names (G4_W, G4_Si, G4_AIR, ...) or "
                    "describe it in the construction's materials."
                )
        return found

    def _own_material(self, material: Any) -> Any:
        g4, nist = self.g4, self.g4.G4NistManager.Instance()
        built = g4.G4Material(material.name, material.density_g_cm3 * g4.g / g4.cm3, len(material.parts))
        for name, fraction in material.parts:
            if name.startswith("G4_"):
                part = nist.FindOrBuildMaterial(name)
                add = built.AddMaterial
            else:
                part = nist.FindOrBuildElement(name)
                add = built.AddElementByMassFraction
            if part is None:
                raise CaloforgeError(
                    f"'{name}', a part of the material '{material.name}', is no element or material of Geant4; "
                    'write elements as "Ar" and materials as "G4_Ar".'
                )
            add(part, fraction)
        return built

    def _elements(self) -> list[int]:
        """Atomic numbers of everything that occurs."""
        materials = self._built.values()
        return [m.GetElement(i).GetZasInt() for m in materials for i in range(m.GetNumberOfElements())]

    def _initialise(self, construction: Construction, physics: str, cut_mm: float, commands: Sequence[str]) -> Any:
        g4, engine = self.g4, self

        class Geometry(g4.G4VUserDetectorConstruction):  # type: ignore[misc, name-defined]
            def Construct(self) -> Any:
                return engine._build(construction)

        class Physics(g4.G4VModularPhysicsList):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.SetVerboseLevel(0)
                for each in engine._physics(physics):
                    self.RegisterPhysics(each)

        class Generator(g4.G4VUserPrimaryGeneratorAction):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.gun = g4.G4ParticleGun(1)

            def GeneratePrimaries(self, event: Any) -> None:
                engine._shoot(self.gun, event)

        class Steps(g4.G4UserSteppingAction):  # type: ignore[misc, name-defined]
            def UserSteppingAction(self, step: Any) -> None:
                engine._on_step(step)

        class Events(g4.G4UserEventAction):  # type: ignore[misc, name-defined]
            def EndOfEventAction(self, event: Any) -> None:
                engine._on_event()

        class Actions(g4.G4VUserActionInitialization):  # type: ignore[misc, name-defined]
            def Build(self) -> None:
                for action in (Generator(), Steps(), Events()):
                    self.SetUserAction(action)

        manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
        parts = (Geometry(), Physics(), Actions())
        self._keep += parts
        for part in parts:
            manager.SetUserInitialization(part)
        commander = g4.G4UImanager.GetUIpointer()
        for command in ("/process/em/verbose 0", "/process/had/verbose 0", *commands):
            commander.ApplyCommand(command)
        manager.Initialize()
        commander.ApplyCommand(f"/run/setCut {cut_mm!r} mm")
        return manager

    def _physics(self, physics: str) -> list[Any]:
        g4 = self.g4
        if physics == EM:
            return [g4.G4EmStandardPhysics(), g4.G4DecayPhysics()]
        return [
            g4.G4EmStandardPhysics(),
            g4.G4EmExtraPhysics(),
            g4.G4DecayPhysics(),
            g4.G4HadronElasticPhysics(),
            g4.G4HadronPhysicsFTFP_BERT(),
            g4.G4StoppingPhysics(),
            g4.G4IonPhysics(),
            g4.G4NeutronTrackingCut(),
        ]

    def _build(self, construction: Construction) -> Any:
        """The world: plates across +z from z = 0, or around the z axis from the inner radius."""
        g4 = self.g4
        barrel = construction.shape == "cylinder"
        half = construction.width_mm / 2
        reach = 2 * (construction.front_mm + construction.depth_mm) + half
        world_shape = g4.G4Box("world", reach, reach, reach)
        world_volume = g4.G4LogicalVolume(world_shape, self._built[construction.surroundings], "world")
        world = g4.G4PVPlacement(None, g4.G4ThreeVector(), world_volume, "world", None, False, 0, False)
        read = g4.G4MultiFunctionalDetector("read")
        self._keep += [world_shape, world_volume, world, read]
        front = construction.front_mm if barrel else 0.0
        for number, plate in enumerate(construction.plates):
            thickness, name = plate.thickness_mm, f"plate-{number}"
            if barrel:
                shape, middle = g4.G4Tubs(name, front, front + thickness, half, 0.0, 2 * np.pi), 0.0
            else:
                shape, middle = g4.G4Box(name, half, half, thickness / 2), front + thickness / 2
            volume = g4.G4LogicalVolume(shape, self._built[plate.material], name)
            if plate.read:
                volume.SetSensitiveDetector(read)
            place = g4.G4ThreeVector(0, 0, middle)
            placed = g4.G4PVPlacement(None, place, volume, name, world_volume, False, number, False)
            self._keep += [shape, volume, placed]
            front += thickness
        return world

    def _shoot(self, gun: Any, event: Any) -> None:
        g4, primary = self.g4, self._queue.pop()
        g4.HepRandom.setTheSeeds([*primary.seeds, 0])
        gun.SetParticleDefinition(g4.G4ParticleTable.GetParticleTable().FindParticle(self._particle))
        gun.SetParticleEnergy(float(primary.energy_mev))
        gun.SetParticlePosition(g4.G4ThreeVector(*primary.aim.start_mm.tolist()))
        gun.SetParticleMomentumDirection(g4.G4ThreeVector(*primary.aim.direction.tolist()))
        gun.GeneratePrimaryVertex(event)

    def _compile(self, share: float) -> None:
        """Learn where steps keep their numbers, and collect by machine code if it gives the same hits to the bit."""
        try:
            self._use_compiled(share)
        except LookupError as error:
            self.slow_because = str(error)

    def _use_compiled(self, share: float) -> None:
        layout, before = StepLayout(), self._on_step
        self._on_step = lambda step: layout.see(step, marked(step))
        for trial in range(_TRIALS):
            self._try(trial, _drop)
            offsets = layout.offsets()
            if offsets is not None:
                break
        else:
            raise LookupError("where a step keeps its numbers was not found")
        self._on_step = before
        expected: list[Hits] = []
        self._try(trial, lambda hits: expected.append(hits.copy()))
        compiled = CompiledCollector(_drop, share, offsets, self.g4.__file__)
        compiled.attach(self._manager)
        self._keep.append(compiled)
        self.collector = compiled
        found: list[Hits] = []
        self._try(trial, lambda hits: found.append(hits.copy()))
        if not np.array_equal(np.concatenate(expected), np.concatenate(found)):
            raise CaloforgeError(
                "The compiled collection of hits differs from the bindings'; this is a defect of caloforge with this "
                f"version of geant4-pybind: report it, and set {SLOW_STEPS}=1 meanwhile."
            )

    def _try(self, trial: int, score: Score) -> None:
        self._queue = [Primary(_TRIAL_MEV, self._trial_aim, (trial + 1, 1))]
        self._particle, self._on_event = "e-", lambda: self.collector.finish()
        with self._scoring(score):
            self._manager.BeamOn(1)

    @contextlib.contextmanager
    def _scoring(self, score: Score) -> Iterator[None]:
        self.collector.score = score
        try:
            yield
        finally:
            self.collector.score = _drop


def _nothing() -> None:
    pass


def _drop(hits: Hits) -> None:
    pass


class _Clock:
    """CPU seconds of this process since the last lap."""

    def __init__(self) -> None:
        self._last = time.process_time()

    def lap(self) -> float:
        now = time.process_time()
        passed, self._last = now - self._last, now
        return passed


def _version(g4: Any) -> str:
    """Geant4's version, e.g. "11.4.1"."""
    number = int(g4.G4VERSION_NUMBER)
    return f"{number // 100}.{number // 10 % 10}.{number % 10}"
