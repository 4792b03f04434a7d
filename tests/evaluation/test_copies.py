"""Showers that stand in two samples are found, and what the judge says of them and of other energies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.errors import CaloforgeError
from caloforge.evaluation import Sample, evaluate
from caloforge.evaluation.copies import common_showers
from caloforge.showers import Showers

HISTOGRAMS = ("histograms",)


def test_common_showers_are_counted_wherever_they_stand(toy_showers) -> None:
    one, two = toy_showers(50, 1), toy_showers(40, 2)
    mixed = replace(
        two,
        incident_energy_mev=np.concatenate([two.incident_energy_mev, one.incident_energy_mev[[30, 3]]]),
        deposits_mev=np.concatenate([two.deposits_mev, one.deposits_mev[[30, 3]]]),
    )
    samples = [Sample.gather(name, showers) for name, showers in (("one", one), ("two", two), ("mixed", mixed))]
    assert common_showers(samples[0], samples[1]) == 0
    assert common_showers(samples[0], samples[2]) == common_showers(samples[2], samples[0]) == 2
    empty = Sample.gather("empty", Showers(one.incident_energy_mev, 0 * one.deposits_mev, one.detector))
    assert common_showers(empty, empty) == 0


def test_a_reference_among_the_training_showers_is_refused(toy_showers) -> None:
    reference, generated, other = toy_showers(60, 1), toy_showers(60, 2), toy_showers(200, 3)
    for label in ("training", "floor"):
        with pytest.raises(CaloforgeError, match=rf"20 of the 60 reference showers are among the {label} showers"):
            evaluate(reference, generated, only=HISTOGRAMS, **{label: reference[:20]})
        evaluate(reference, generated, only=HISTOGRAMS, force=True, **{label: reference[:20]})
    notes = evaluate(reference, generated, other, only=HISTOGRAMS)["notes"]
    assert not [note for note in notes if "bit for bit" in note or "incident energies" in note]


def test_generated_showers_that_are_the_reference_and_other_energies_are_noted(toy_showers) -> None:
    reference = toy_showers(60, 1)
    notes = evaluate(reference, reference, only=HISTOGRAMS)["notes"]
    assert [note for note in notes if "60 of 60 generated showers are showers of the reference, bit for bit" in note]
    twice = replace(
        reference,
        incident_energy_mev=2 * reference.incident_energy_mev,
        deposits_mev=2 * reference.deposits_mev,
    )
    notes = evaluate(reference, twice, only=HISTOGRAMS)["notes"]
    assert [note for note in notes if "incident energies of the generated showers are not distributed" in note]


def test_showers_that_a_sample_repeats_are_noted(toy_showers) -> None:
    reference, generated = toy_showers(60, 1), toy_showers(20, 2)
    thrice = replace(
        generated,
        incident_energy_mev=np.tile(generated.incident_energy_mev, 3),
        deposits_mev=np.tile(generated.deposits_mev, (3, 1)),
    )
    notes = evaluate(reference, thrice, only=HISTOGRAMS)["notes"]
    assert [note for note in notes if note.startswith("40 of 60 generated showers repeat an earlier one")]
    assert not [note for note in evaluate(reference, generated, only=HISTOGRAMS)["notes"] if "repeat" in note]


def test_a_floor_of_fewer_showers_is_said(toy_showers) -> None:
    reference, generated = toy_showers(60, 1), toy_showers(60, 2)
    parts = ("fpd", "prdc", "physics")
    notes = evaluate(reference, generated, only=parts)["notes"]
    for what in ("FPD and KPD", "PRDC", "the correlations"):
        assert [note for note in notes if f"The floor of {what} comes from halves of the reference, 30 showers" in note]
    notes = evaluate(reference, generated, only=parts, floor=toy_showers(60, 3))["notes"]
    assert not [note for note in notes if "halves" in note]
    notes = evaluate(reference, generated, only=HISTOGRAMS, floor=toy_showers(40, 3))["notes"]
    assert "--floor has 40 showers, fewer than the 60 compared, and is not used." in notes
    notes = evaluate(reference[:3], generated[:3], only=HISTOGRAMS)["notes"]
    assert "Fewer than 4 showers have no halves: separation powers have no floor." in notes
