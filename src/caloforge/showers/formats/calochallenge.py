"""CaloChallenge: `incident_energies` (N, 1) and `showers` (N, V), both MeV."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from caloforge.detectors import Detector
from caloforge.showers.container import Array, Showers
from caloforge.showers.formats.base import FORMATS, Shapes, others, rank, with_others


class CaloChallenge:
    """The radius runs fastest, then alpha, then the layer. The format that caloforge writes by default.

    Source: arXiv 2410.21611 and the code of github.com/CaloChallenge/homepage.
    """

    name = "calochallenge"
    required: tuple[str, ...] = ("incident_energies", "showers")
    incident_unit = "MeV"

    def recognises(self, names: Collection[str]) -> bool:
        """`incident_energies` is this format's alone."""
        return "incident_energies" in names

    def n_voxels(self, shapes: Shapes) -> int:
        """V of `showers` (N, V)."""
        return rank(shapes, "showers", "(N, V)", (2,))[1]

    def fits(self, shapes: Shapes, detector: Detector) -> bool:
        """Equal numbers of voxels."""
        return self.n_voxels(shapes) == detector.n_voxels

    def decode(self, arrays: Mapping[str, Array], detector: Detector) -> Showers:
        """As it is; further datasets become extras, those of the group `conditions` conditions."""
        conditions, extras = others(arrays, self.required)
        return Showers(arrays["incident_energies"], arrays["showers"], detector, conditions, extras)

    def encode(self, showers: Showers) -> dict[str, Array]:
        """As it is, energies as a column."""
        own = {"incident_energies": showers.incident_energy_mev[:, None], "showers": showers.deposits_mev}
        return with_others(own, showers)


FORMATS.add("calochallenge", CaloChallenge())
