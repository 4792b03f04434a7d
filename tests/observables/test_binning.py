"""Bins of every protocol, and references that leave nothing to bin."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.observables import BINNINGS, Features, binnings, compare, high_level


def features(name: str, scale: float = 1.0) -> Features:
    detector = preset(name)
    deposits = np.random.default_rng(0).gamma(0.2, 20 * detector.threshold_mev, (20, detector.n_voxels)) * scale
    return high_level(deposits, np.full(20, 1e5), detector)


def test_the_protocols_of_the_challenge_differ_in_threshold_and_observables() -> None:
    photons, old, new = preset("ds1-photons"), BINNINGS["2022-10"], BINNINGS["2023-11"]
    assert (old.threshold_mev(photons), new.threshold_mev(photons)) == (10.0, 1.0)
    assert old.threshold_mev(preset("ds2")) == new.threshold_mev(preset("ds2")) == preset("ds2").threshold_mev
    found = features("ds1-photons")
    missing = set(binnings(photons, found)) - set(binnings(photons, found, histograms="2022-10"))
    assert {name.split(" layer ")[0] for name in missing} == {"Sparsity", "EC r", "Width r"}
    ours, official = binnings(photons, found), binnings(photons, found, histograms="2023-11")
    assert ours.keys() == official.keys()
    assert all(np.array_equal(ours[name], official[name]) for name in ours)


def test_an_official_binning_knows_no_other_detector() -> None:
    with pytest.raises(CaloforgeError, match="but the showers are of 'calogan'; use 'caloforge-1'"):
        binnings(preset("calogan"), features("calogan"), histograms="2023-11")
    with pytest.raises(CaloforgeError, match="'2023-12' is no binning"):
        binnings(preset("ds2"), features("ds2"), histograms="2023-12")


def test_layer_energies_begin_at_the_threshold_of_the_features() -> None:
    detector = preset("ds1-photons")
    deposits = np.random.default_rng(0).gamma(1.0, 50.0, (20, detector.n_voxels))
    edges = binnings(detector, high_level(deposits, np.full(20, 1e5), detector, 10.0), histograms="2022-10")
    assert edges["E layer 1"][0] == pytest.approx(10.0)


@pytest.mark.parametrize("name", ["ds2", "calogan"])
def test_a_reference_wholly_below_the_threshold_leaves_an_empty_histogram(name: str) -> None:
    nothing, something = features(name, 1e-6), features(name)
    edges = binnings(preset(name), nothing)
    first = "E layer 0"
    assert np.all(np.diff(edges[first]) > 0)
    found = compare(nothing.table()[first], something.table()[first], edges[first])
    assert found.separation in (0.0, 1.0) and "empty" in found.note and found.reference_outside == (20, 0)
    assert compare(nothing.table()[first], nothing.table()[first], edges[first]).separation == 0.0
