"""The detectors of public data sets."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

from caloforge.detectors.construction import Construction, Material, Plate
from caloforge.detectors.detector import Detector
from caloforge.detectors.layer import CartesianLayer, CylindricalLayer
from caloforge.errors import CaloforgeError
from caloforge.registry import nearest

_Rings = tuple[str, str, int]
_MIRRORS = ("mirror-x", "mirror-y", "mirror-xy")
_TURNS = ("quarter-turn", "three-quarter-turn", "mirror-diagonal", "mirror-antidiagonal")


def _atlas(name: str, particle: str, layers: tuple[_Rings, ...]) -> Detector:
    """ATLAS open data: the layers that are not empty; depths and symmetries are not known."""
    grids = tuple(CylindricalLayer(i, tuple(map(float, edges.split(","))), n_alpha) for i, edges, n_alpha in layers)
    return Detector(name, grids, threshold_mev=1.0, particle=particle)


def _ds1_photons() -> Detector:
    return _atlas(
        "ds1-photons",
        "photon",
        (
            ("0", "0,5,10,30,50,100,200,400,600", 1),
            ("1", "0,2,4,6,8,10,12,15,20,30,40,50,70,90,120,150,200", 10),
            ("2", "0,2,5,10,15,20,25,30,40,50,60,80,100,130,160,200,250,300,350,400", 10),
            ("3", "0,50,100,200,400,600", 1),
            ("12", "0,100,200,400,1000,2000", 1),
        ),
    )


def _ds1_pions() -> Detector:
    return _atlas(
        "ds1-pions",
        "pion",
        (
            ("0", "0,5,10,30,50,100,200,400,600", 1),
            ("1", "0,1,4,7,10,15,30,50,90,150,200", 10),
            ("2", "0,5,10,20,30,50,80,130,200,300,400", 10),
            ("3", "0,50,100,200,400,600", 1),
            ("12", "0,10,20,30,50,80,100,130,160,200,250,300,350,400,1000,2000", 10),
            ("13", "0,10,20,30,50,80,100,130,160,200,250,300,350,400,600,1000,2000", 10),
            ("14", "0,50,100,150,200,250,300,400,600,1000,2000", 1),
        ),
    )


_BARREL = Construction(
    "cylinder",
    (Plate("G4_W", 1.4), Plate("G4_Si", 0.3, read=True)) * 90,
    front_mm=800,
    width_mm=4000,
    scale=1 / 0.033,
)


def _silicon_tungsten(name: str, n_r: int, n_alpha: int) -> Detector:
    """45 read-out layers of 3.4 mm, each two layers of 1.4 mm W and 0.3 mm Si; radius 41.85 mm."""
    edges = tuple(round(41.85 / n_r * i, 6) for i in range(n_r + 1))
    layers = tuple(
        CylindricalLayer(str(i), edges, n_alpha, round(3.4 * i, 6), round(3.4 * (i + 1), 6)) for i in range(45)
    )
    mirrors = ("mirror-alpha", "mirror-pi-alpha", "half-turn")
    return Detector(
        name,
        layers,
        threshold_mev=0.5e-3 / 0.033,
        particle="electron",
        symmetry=mirrors,
        construction=_BARREL,
    )


def _calogan() -> Detector:
    """80 x (2 mm Pb + 4 mm LAr) in three depths, 480 mm x 480 mm; energy in lead counts too."""
    grids = ((3, 96, 0, 90), (12, 12, 90, 437), (12, 6, 437, 480))
    layers = tuple(
        CartesianLayer(str(i), _even(n_x, 480), _even(n_y, 480), front, back)
        for i, (n_x, n_y, front, back) in enumerate(grids)
    )
    argon = Material("LAr", 1.390, (("Ar", 1.0),))
    construction = Construction(
        "boxes",
        (Plate("G4_Pb", 2, read=True), Plate("LAr", 4, read=True)) * 80,
        front_mm=287.9 - 240,
        width_mm=1000,
        surroundings="G4_Galactic",
        materials=(argon,),
    )
    return Detector("calogan", layers, threshold_mev=0.01, particle="e+", symmetry=_MIRRORS, construction=construction)


_THIN_TUNGSTEN, _THICK_TUNGSTEN = 30.0, 65.3
"""Incident over deposited energy in the silicon behind 2.1 and 4.2 mm of tungsten, right to 0.3 % on average.

Least squares over 150 photons of 10 to 100 GeV: Geant4 11.4.1, cut 0.7 mm, energy beside the cells included, no
threshold.
"""


def _siw_ecal() -> Detector:
    """30 layers of tungsten (20 of 2.1 mm, 10 of 4.2 mm), 0.5 mm Si and 2.65 mm for support; 30 x 30 cells of 5 mm."""
    tungsten = (2.1,) * 20 + (4.2,) * 10
    fronts = [round(sum(tungsten[:i]) + i * (0.5 + 2.65), 6) for i in range(31)]
    layers = tuple(
        CartesianLayer(str(i), _even(30, 150), _even(30, 150), front, back)
        for i, (front, back) in enumerate(pairwise(fronts))
    )
    plates = (
        plate
        for thickness in tungsten
        for plate in (Plate("G4_W", thickness), Plate("G4_Si", 0.5, read=True), Plate("G4_AIR", 2.65))
    )
    return Detector(
        "siw-ecal",
        layers,
        threshold_mev=0.1,
        particle="photon",
        calibration=(_THIN_TUNGSTEN,) * 20 + (_THICK_TUNGSTEN,) * 10,
        symmetry=(*_MIRRORS, *_TURNS),
        construction=Construction("boxes", tuple(plates), front_mm=50, width_mm=1000),
    )


def _even(n: int, width_mm: float) -> tuple[float, ...]:
    return tuple(width_mm * i / n - width_mm / 2 for i in range(n + 1))


_MAKERS = {
    "ds1-photons": _ds1_photons,
    "ds1-pions": _ds1_pions,
    "ds2": lambda: _silicon_tungsten("ds2", 9, 16),
    "ds3": lambda: _silicon_tungsten("ds3", 18, 50),
    "calogan": _calogan,
    "siw-ecal": _siw_ecal,
}
PRESETS: tuple[str, ...] = tuple(_MAKERS)
"""Names of all presets."""


@cache
def preset(name: str) -> Detector:
    """The detector of a public data set by its name, one of `PRESETS`.

    ds1-photons, ds1-pions, ds2, ds3: CaloChallenge (binning files of the official repository; arXiv 2410.21611).
    calogan: CaloGAN's three depths (arXiv 1705.02355).
    siw-ecal: the ILD calorimeter of Getting High (arXiv 2005.05334).

    Raises CaloforgeError for other names.
    """
    if name not in _MAKERS:
        close = nearest(name, list(PRESETS))
        raise CaloforgeError(f"'{name}' is no preset detector (there are {', '.join(PRESETS)}).{close}")
    return _MAKERS[name]()


def fits(n_voxels: int) -> list[str]:
    """Names of the presets that have `n_voxels` voxels."""
    return [name for name in PRESETS if preset(name).n_voxels == n_voxels]
