"""What must hold of the samples before any number is worth anything; each rule is a sentence when it is broken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from caloforge.detectors import Detector
from caloforge.errors import CaloforgeError
from caloforge.evaluation.copies import common_showers, repeated_showers
from caloforge.evaluation.protocol import Protocol
from caloforge.evaluation.protocols import PROTOCOLS, default_protocol
from caloforge.evaluation.sample import Sample, Source
from caloforge.files import file_sha256
from caloforge.models.seen import Seen
from caloforge.showers import ShowerFile

_PARTICLES = {
    "electron": "e-", "positron": "e+", "photon": "gamma", "photons": "gamma", "electrons": "e-", "positrons": "e+",
    "pion": "pi", "pions": "pi", "pi+": "pi", "pi-": "pi",
}  # fmt: skip
ALIKE = 0.01
"""Fraction of equal showers up to which two samples may share some: sparse showers of one energy can be equal."""
_SURELY = 1.95
"""Kolmogorov's limit that equal distributions exceed once in a thousand times."""
_UNITS = 1e3
_SLACK = 10.0**0.75
"""Medians whose ratio is within this factor of a thousand are taken for GeV beside MeV."""


def source_name(label: str, source: Source) -> str:
    """How a message names a sample: its part in the judgement, and its file."""
    return f"the {label} showers ({source.path})" if isinstance(source, ShowerFile) else f"the {label} showers"


def check_detectors(sources: Mapping[str, Source]) -> None:
    """Raise CaloforgeError where the samples (the reference first) have not all the same voxels."""
    (_, first), *rest = sources.items()
    for label, source in rest:
        if not source.detector.same_grid(first.detector):
            raise CaloforgeError(
                f"{source_name(label, source).capitalize()} are of detector '{source.detector.name}' with "
                f"{source.detector.n_voxels} voxels, expected '{first.detector.name}' with {first.detector.n_voxels} "
                "as in the reference; give files of one detector."
            )


def particle_of(source: Source) -> str | None:
    """The particle that a file says, in Geant4's words where they are known; None where it says nothing."""
    found = source.attributes.get("particle") if isinstance(source, ShowerFile) else None
    text = str(found or "").strip().lower()
    return _PARTICLES.get(text, text) or None


def check_particles(sources: Mapping[str, Source]) -> str | None:
    """The one particle that the files name, or None; raises CaloforgeError where they name several."""
    named = {label: particle for label, source in sources.items() if (particle := particle_of(source))}
    if not named:
        return None
    first, particle = next(iter(named.items()))
    for label, other in named.items():
        if other != particle:
            raise CaloforgeError(
                f"{source_name(label, sources[label]).capitalize()} are of the particle '{other}', but "
                f"{source_name(first, sources[first])} of '{particle}'; give files of one particle."
            )
    return particle


def check_units(reference: Sample, other: Sample) -> None:
    """Raise CaloforgeError where the energies of two samples differ by about a thousand: GeV beside MeV."""
    for what, one, two in (
        ("incident energies", reference.features.incident_energy_mev, other.features.incident_energy_mev),
        ("deposits", reference.features.total_mev, other.features.total_mev),
    ):
        a, b = float(np.median(one)), float(np.median(two))
        if a > 0 and b > 0 and any(_UNITS / _SLACK < ratio < _UNITS * _SLACK for ratio in (a / b, b / a)):
            raise CaloforgeError(
                f"The {what} of {source_name(other.name, other.source)} have the median {b:.4g} and those of the "
                f"reference {a:.4g}, which look like GeV beside MeV; write both in MeV with "
                "`caloforge convert FILE OUT --gev all`."
            )


def check_unseen(
    reference: Source, generated: Mapping[str, Source], models: Mapping[str, Seen | None] | None = None
) -> None:
    """Raise CaloforgeError where a model was trained or selected on showers of the reference.

    It is told by the hash of the reference's file and the rows that the generated files (their attributes) or the
    checkpoints in `models` name. Showers in memory tell nothing.
    """
    if not isinstance(reference, ShowerFile):
        return
    files = {label: source for label, source in generated.items() if isinstance(source, ShowerFile)}
    seen = {label: Seen.of_file(file.attributes) for label, file in files.items()}
    told = {label: one for label, one in {**seen, **(models or {})}.items() if one is not None}
    if not told:
        return
    sha256 = file_sha256(reference.path)
    first, stop = reference.first_row, reference.first_row + len(reference)
    for label, one in told.items():
        rows = one.among(first, stop) if one.sha256 == sha256 else 0
        if rows:
            raise CaloforgeError(
                f"{rows:,} of the {len(reference):,} reference showers ({reference.path}) were used to train or select "
                f"the model of '{label}'; give showers that it has not seen (--reference-rows), or --force."
            )


def check_disjoint(reference: Source, label: str, other: Source) -> None:
    """Raise CaloforgeError where Geant4 showers of the reference also stand in another Geant4 sample."""
    if not (isinstance(reference, ShowerFile) and isinstance(other, ShowerFile)):
        return
    if not _same_file(reference.path, other.path):
        return
    first = max(reference.first_row, other.first_row)
    common = min(reference.first_row + len(reference), other.first_row + len(other)) - first
    if common > 0:
        raise CaloforgeError(
            f"The {label} showers share {common:,} rows of {other.path} with the reference; give others with "
            f"--reference-rows and --{label}-rows, or --force."
        )


def check_copies(reference: Sample, label: str, other: Sample) -> None:
    """Raise CaloforgeError where more than a hundredth of the reference's showers are another sample's, bit for bit.

    Told by the showers themselves, so that copied files, parts of files and arrays in memory are found as well.
    """
    common = common_showers(reference, other)
    if common > ALIKE * len(reference):
        raise CaloforgeError(
            f"{common:,} of the {len(reference):,} reference showers are among the {label} showers, bit for bit, "
            f"expected none; give others with --reference-rows or --{label}, or --force."
        )


def note_copies(reference: Sample, others: Mapping[str, Sample]) -> list[str]:
    """Notes about generated samples that hold showers of the reference, bit for bit."""
    notes = []
    for label, sample in others.items():
        common = common_showers(sample, reference)
        if common > ALIKE * len(sample):
            notes.append(
                f"{common:,} of {len(sample):,} {label} showers are showers of the reference, bit for bit: this judges "
                "no model."
            )
    return notes


def note_repeats(samples: Mapping[str, Sample]) -> list[str]:
    """Notes about samples of which more than a hundredth repeats earlier showers: their errors are too small."""
    notes = []
    for label, sample in samples.items():
        again = repeated_showers(sample)
        if again > ALIKE * len(sample):
            notes.append(
                f"{again:,} of {len(sample):,} {label} showers repeat an earlier one, bit for bit: errors "
                "and floors take them for others and are too small."
            )
    return notes


def note_energies(reference: Sample, others: Mapping[str, Sample]) -> list[str]:
    """Notes about samples whose incident energies are not distributed as the reference's (Kolmogorov and Smirnov).

    A classifier tells such samples apart by the incident energy alone.
    """
    notes = []
    one = np.sort(np.asarray(reference.features.incident_energy_mev, dtype=np.float64))
    for label, sample in others.items():
        two = np.sort(np.asarray(sample.features.incident_energy_mev, dtype=np.float64))
        both = np.concatenate([one, two])
        shares = [np.searchsorted(side, both, "right") / len(side) for side in (one, two)]
        distance = float(np.abs(shares[0] - shares[1]).max())
        if distance > _SURELY * np.sqrt(1 / len(one) + 1 / len(two)):
            notes.append(
                f"The incident energies of the {label} showers are not distributed as the reference's (medians "
                f"{np.median(two):.4g} and {np.median(one):.4g} MeV): classifiers and histograms see that too."
            )
    return notes


def _same_file(one: Path, two: Path) -> bool:
    try:
        return one.samefile(two)
    except OSError:
        return False


def check_protocol(protocol: Protocol, detector: Detector, parts: tuple[str, ...], lengths: Mapping[str, int]) -> None:
    """Raise CaloforgeError where the protocol is not defined for the detector or its numbers are not met.

    lengths: showers of each sample by name, the reference's among them.
    """
    if not protocol.allows(detector):
        raise CaloforgeError(
            f"Protocol '{protocol.name}' is defined for the detectors of the CaloChallenge, but the showers are of "
            f"'{detector.name}'; use --protocol {default_protocol(detector, lengths['reference'])}."
        )
    if "classifiers" not in parts:
        return
    least = min(lengths, key=lambda name: lengths[name])
    n, needed = lengths[least], protocol.needed(detector)
    if n < needed:
        fitting = [name for name in PROTOCOLS.names() if _fits(PROTOCOLS[name], detector, n)]
        advice = f"give more, use --protocol {default_protocol(detector, n)}," if fitting else "give more"
        raise CaloforgeError(
            f"The {least} sample has {n:,} showers, but the classifiers of protocol '{protocol.name}' need at least "
            f"{needed:,} of each class; {advice} or leave them out with --only."
        )
    if protocol.equal_numbers and len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise CaloforgeError(
            f"The samples differ in length ({text}), which the classifiers of protocol '{protocol.name}' do not allow; "
            "cut them with --reference-rows and --generated-rows, or use --protocol small-n or caloforge-1."
        )


def _fits(protocol: Protocol, detector: Detector, n: int) -> bool:
    return protocol.allows(detector) and n >= protocol.needed(detector)


def check_deposits(reference: Sample, others: Mapping[str, Sample]) -> list[str]:
    """Notes about showers without a deposit; raises CaloforgeError where the reference has no others."""
    notes = []
    for label, sample in {"reference": reference, **others}.items():
        empty = int(np.count_nonzero(~(sample.features.total_mev > 0)))
        if empty == len(sample) and sample is reference:
            raise CaloforgeError(
                f"None of {source_name('reference', reference.source)} has a deposit of at least "
                f"{reference.threshold_mev:.4g} MeV, expected some; check its units and the detector's threshold."
            )
        if empty:
            notes.append(
                f"{empty:,} of {len(sample):,} {label} showers have no deposit of at least "
                f"{sample.threshold_mev:.4g} MeV."
            )
    lost = [
        name
        for name, energy in zip(reference.features.layer_names, reference.features.layer_energy_mev.T, strict=True)
        if not np.any(energy > 0)
    ]
    if lost:
        notes.append(f"The reference has nothing above the threshold in layer {', '.join(lost)}.")
    return notes
