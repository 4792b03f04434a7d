"""Particles by the names that people and Geant4 give them."""

from __future__ import annotations

from caloforge.errors import CaloforgeError
from caloforge.registry import nearest

_ALIASES = {"electron": "e-", "positron": "e+", "photon": "gamma", "pion": "pi+", "muon": "mu-", "kaon": "kaon+"}
_ELECTROMAGNETIC = ("e-", "e+", "gamma")
_CHARGED_LEPTONS = ("mu-", "mu+")
_HADRONS = ("pi-", "pi+", "pi0", "kaon-", "kaon+", "kaon0L", "kaon0S", "proton", "anti_proton", "neutron")

EM, HADRONIC = "em", "FTFP_BERT"
PHYSICS = (EM, HADRONIC)


def geant4_name(particle: str) -> str:
    """Geant4's name of a particle ("photon" is its "gamma"); raises CaloforgeError for unknown ones."""
    if not particle:
        raise CaloforgeError("the detector does not say which particle it is for; give --particle, e.g. e-.")
    name = _ALIASES.get(particle, particle)
    known = (*_ELECTROMAGNETIC, *_CHARGED_LEPTONS, *_HADRONS)
    if name not in known:
        names = [*known, *_ALIASES]
        raise CaloforgeError(
            f"'{particle}' is no known particle (there are {', '.join(names)}).{nearest(particle, names)}"
        )
    return name


def require_physics(particle: str, physics: str) -> None:
    """Raise CaloforgeError for an unknown physics list and for hadrons without hadronic physics."""
    if physics not in PHYSICS:
        raise CaloforgeError(
            f"--physics is '{physics}', but there are {', '.join(PHYSICS)}.{nearest(physics, list(PHYSICS))}"
        )
    if physics == EM and geant4_name(particle) in _HADRONS:
        raise CaloforgeError(
            f"'{particle}' showers need hadronic physics; give --physics {HADRONIC} "
            "(its tables: `caloforge geant4-data install --hadronic`)."
        )
