"""The protocols by name, and which one fits a number of showers; a number without its protocol means nothing."""

from __future__ import annotations

from dataclasses import replace

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.evaluation.official.settings import ClassifierSettings, Kind, official_classifiers
from caloforge.evaluation.protocol import OURS, PARTS, Panel, Protocol
from caloforge.registry import Registry

MANY = 20_000
"""Unseen Geant4 showers from which on networks of the official size are no longer starved."""
_KINDS: tuple[Kind, ...] = ("low", "high")


def _official(name: str) -> tuple[ClassifierSettings, ...]:
    return tuple(official_classifiers(name).values())


PROTOCOLS: Registry[Protocol] = Registry("protocol", "caloforge.protocols")
"""All protocols by name; other packages add theirs under the entry point caloforge.protocols."""

_FIRST = PROTOCOLS.add(
    "2022-10",
    Protocol(
        "2022-10",
        "CaloChallenge, October 2022: networks of 512, no threshold in classifiers, DS1 histograms above 10 MeV",
        binning="2022-10",
        parts=("histograms", "classifiers"),
        official=True,
        threshold_mev=0.0,
        vector="2022-10",
        classifiers=_official("2022-10"),
        equal_numbers=True,
        separation_splits=3,
    ),
)
_MAY = PROTOCOLS.add(
    "2023-05",
    replace(
        _FIRST,
        name="2023-05",
        summary="CaloChallenge, May 2023: 2022-10 with FPD and KPD in jetnet's default settings",
        parts=("histograms", "fpd", "classifiers"),
        classifiers=_official("2023-05"),
        fpd_min_samples=20_000,
        kpd_batch=5_000,
    ),
)
_NOVEMBER = PROTOCOLS.add(
    "2023-11",
    replace(
        _MAY,
        name="2023-11",
        summary="CaloChallenge, November 2023: networks of 2048, thresholds everywhere, fixed splits, longer vector",
        binning="2023-11",
        threshold_mev=None,
        vector="2023-11",
        classifiers=_official("2023-11"),
    ),
)
_MAY_2024 = PROTOCOLS.add(
    "2024-05",
    replace(
        _NOVEMBER,
        name="2024-05",
        summary="CaloChallenge, May 2024: 2023-11 with the ResNet, FPD and KPD from 10,000 showers on",
        classifiers=_official("2024-05"),
        fpd_min_samples=10_000,
        kpd_batch=10_000,
    ),
)
_LATEST = PROTOCOLS.add(
    "2024-07",
    replace(
        _MAY_2024,
        name="2024-07",
        summary="CaloChallenge, July 2024, as in its paper (arXiv 2410.21611): 2024-05 with PRDC",
        parts=("histograms", "fpd", "prdc", "classifiers"),
        classifiers=_official("2024-07"),
    ),
)
PROTOCOLS.add(
    "vit4hep",
    replace(
        _LATEST,
        name="vit4hep",
        summary="The variant of vit4hep: threshold 0.015 MeV everywhere, 100 epochs, ResNet 50, split 60/20/20 %",
        binning="vit4hep",
        classifiers=_official("vit4hep"),
    ),
)
_OWN = PROTOCOLS.add(
    "caloforge-1",
    Protocol(
        "caloforge-1",
        f"Any detector: own bins, networks of 2048 from {MANY:,} unseen showers on",
        binning="caloforge-1",
        parts=("histograms", "fpd", "prdc", "classifiers"),
        classifiers=tuple(ClassifierSettings(kind, split=(0.6, 0.2, 0.2)) for kind in _KINDS),
        smallest=MANY,
        prdc_rows=10_000,
    ),
)
PROTOCOLS.add(
    "small-n",
    replace(
        _OWN,
        name="small-n",
        summary=f"caloforge-1 with a panel of classifiers for fewer than {MANY:,} unseen showers",
        classifiers=(),
        panel=Panel(),
        naive=True,
    ),
)


def default_protocol(detector: Detector, unseen: int) -> str:
    """Name of the protocol for this many unseen Geant4 showers of a detector: the latest whose split they fill."""
    latest = PROTOCOLS["2024-07"]
    if latest.allows(detector) and unseen >= latest.needed(detector):
        return latest.name
    return "caloforge-1" if unseen >= MANY else "small-n"


def find_protocol(name: str, quick: bool = False) -> Protocol:
    """The protocol of a name, or its quick form; raises CaloforgeError for one that does not exist."""
    found = PROTOCOLS[name]
    return found.shortened() if quick else found


def chosen_parts(protocol: Protocol, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The parts to run, in order: all of the protocol and ours, or those of `only`.

    Raises CaloforgeError for a part that does not exist or that the protocol does not define.
    """
    known = [part for part in PARTS if part in (*protocol.parts, *OURS)]
    for part in only:
        if part not in PARTS:
            raise CaloforgeError(f"--only names '{part}', expected some of {', '.join(PARTS)}, separated by commas.")
        if part not in known and not protocol.quick:
            raise CaloforgeError(
                f"--only names '{part}', which protocol '{protocol.name}' does not define (it has {', '.join(known)}); "
                "choose another protocol."
            )
    slow = ("multiclass",) if protocol.quick else ()
    return tuple(part for part in PARTS if (part in only if only else part in known and part not in slow))


def describe_protocols() -> list[dict[str, str]]:
    """A row of texts for every protocol, for a table."""
    rows = []
    for name in PROTOCOLS.names():
        one = PROTOCOLS[name]
        kinds = ", ".join(each.kind for each in one.classifiers)
        sizes = sorted({each.hidden for each in one.classifiers})
        counts = "fixed counts" if any(each.split == "official" for each in one.classifiers) else "60/20/20 %"
        panel = one.panel
        rows.append(
            {
                "protocol": f"{name} (v{one.version})",
                "what": one.summary,
                "detectors": "CaloChallenge" if one.official else "all",
                "parts": ", ".join(one.parts),
                "classifiers": f"{kinds}; hidden {', '.join(map(str, sizes))}; {counts}"
                if panel is None
                else f"panel; {panel.folds} folds, {panel.seeds} seeds, at most {panel.rows:,}",
            }
        )
    return rows
