"""What must hold for the numbers of a shower file."""

from __future__ import annotations

import warnings

import numpy as np

from caloforge.errors import CaloforgeError
from caloforge.showers.container import Array, Showers

LIKELY_GEV = 200.0
"""A median incident energy below this many MeV is taken for one in GeV: calorimeter samples start at about 256 MeV."""


class UnitWarning(UserWarning):
    """Energies look like GeV where MeV is expected."""


def check_values(showers: Showers, source: str, first_row: int | Array = 0) -> None:
    """Raise CaloforgeError for deposits or energies that are not finite, negative deposits, energies not positive.

    `first_row` numbers the rows in the message: the first one's number, or the number of each.
    """
    energy, deposits = showers.incident_energy_mev, showers.deposits_mev
    if deposits.size and not (float(deposits.min()) >= 0 and float(deposits.max()) < np.inf):  # NaN fails both
        for what, wrong in (
            ("NaN", np.isnan(deposits)),
            ("infinite", np.isinf(deposits)),
            ("negative", deposits < 0),
        ):
            if wrong.any():
                row = int(np.argmax(wrong.any(axis=1)))
                raise CaloforgeError(
                    f"{source} has {what} deposits ({int(wrong.sum())} voxels, the first one in row "
                    f"{_number(first_row, row)}); deposits must be finite and at least 0: repair or drop these showers."
                )
    wrong = ~((energy > 0) & (energy < np.inf))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise CaloforgeError(
            f"{source} has the incident energy {energy[row]} MeV in row {_number(first_row, row)}; "
            "incident energies must be finite and positive: repair or drop these showers."
        )


def warn_of_units(showers: Showers, source: str) -> None:
    """Warn (UnitWarning) where the energies of the first showers look like GeV, and say how to read them right."""
    if not len(showers):
        return
    incident = float(np.median(showers.incident_energy_mev))
    visible = float(np.median(showers.deposits_mev.sum(axis=1, dtype=np.float64)))
    likely_incident = incident < LIKELY_GEV
    if not (0 < visible < np.inf and 0 < incident < np.inf) or (not likely_incident and visible > incident / 400):
        return
    if likely_incident:
        units = "incident" if visible > 20 * incident else "all"
        found = f"incident energies of about {incident:.3g}"
    else:
        units, found = "deposits", f"deposits of about {visible:.3g} for an incident energy of {incident:.3g}"
    warnings.warn(
        f"{source} has {found}, which look like GeV where MeV are expected; if so, write a file in MeV with "
        f"`caloforge convert {source} OUT --gev {units}`.",
        UnitWarning,
        stacklevel=3,
    )


def _number(first_row: int | Array, row: int) -> int:
    return first_row + row if isinstance(first_row, int) else int(first_row[row])
