"""Patches of detectors: every voxel once, neighbours together, and sizes that do not divide."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.detectors import preset
from caloforge.errors import CaloforgeError
from caloforge.models.patching import patch_layout

CALOGAN = ((1, 3, 4), (1, 3, 3), (1, 3, 3))
DS1 = ((1, 1, 4), (1, 5, 4), (1, 2, 19), (1, 1, 5), (1, 1, 1))


@pytest.mark.parametrize(
    ("name", "patches", "sizes"),
    [
        ("ds2", (3, 16, 1), ((135, 48),)),
        ("ds3", (9, 10, 6), ((75, 540),)),
        ("siw-ecal", (5, 10, 10), ((54, 500),)),
        ("calogan", CALOGAN, ((24, 12), (16, 9), (8, 9))),
        ("ds1-photons", DS1, ((2, 4), (8, 20), (5, 38), (1, 5), (5, 1))),
    ],
)
def test_every_patch_is_a_block_of_the_detector(name: str, patches: tuple, sizes: tuple) -> None:
    detector = preset(name)
    layout = patch_layout(detector, patches)
    assert layout.sizes == sizes and layout.features == detector.n_voxels
    layers = detector.layer_of_voxel
    sizes_wanted = [patches] * len(layout.kinds) if isinstance(patches[0], int) else patches
    for kind, (depth, first, second) in zip(layout.kinds, sizes_wanted, strict=True):
        for patch in np.array(kind):
            within = patch - np.array(detector.offsets)[layers[patch]]
            n_second = detector.layers[layers[patch[0]]].shape[1]
            spans = [np.unique(part) for part in (layers[patch], within // n_second, within % n_second)]
            assert [len(span) for span in spans] == [depth, first, second]
            assert all((np.diff(span) == 1).all() for span in spans)


def test_positions_say_where_a_patch_lies() -> None:
    detector = preset("ds2")
    layout = patch_layout(detector, (3, 8, 3))
    assert layout.periodic == (False, True, False)
    for patch, (depth, alpha, r) in zip(layout.kinds[0], layout.positions, strict=True):
        voxels = np.array(patch)
        assert depth == pytest.approx((detector.layer_of_voxel[voxels].mean() + 0.5) / 45)
        assert r == pytest.approx(detector.r_mm[voxels].mean() / detector.r_mm.max())
        assert 0 < alpha < 1
    calogan = patch_layout(preset("calogan"), CALOGAN)
    assert calogan.periodic == (False, False, False)
    place = np.array(calogan.positions)
    assert np.allclose(place[:24].mean(0), [1 / 6, 0.5, 0.5]) and place.min() > 0 and place.max() < 1


@pytest.mark.parametrize(
    ("name", "patches", "said"),
    [
        (
            "ds2",
            (4, 16, 1),
            r"\[4, 16, 1\] does not divide layers '0' to '44' .* 4 of 45 layers; 1, 3, 5, 9, 15, 45 would",
        ),
        ("ds2", (3, 5, 1), r"5 of 16 alpha bins; 1, 2, 4, 8, 16 would"),
        ("ds2", (3, 16, 0), r"0 of 9 r bins; 1, 3, 9 would"),
        ("calogan", ((1, 3, 4), (1, 5, 3), (1, 3, 3)), r"layer '1' \(12 x bins x 12 y bins\) .* 5 of 12 x bins"),
        ("calogan", ((1, 3, 4), (1, 3, 3)), r"patches has 2 sizes, but detector 'calogan' has 3 runs of layers"),
        ("ds2", (3, 16), r"The patch \[3, 16\] has 2 numbers; give layers, alpha bins, r bins"),
        ("calogan", (1, 3, 4), r"layer '2' \(12 x bins x 6 y bins\) .* 4 of 6 y bins; 1, 2, 3, 6 would"),
    ],
)
def test_a_size_that_does_not_divide_is_named(name: str, patches: tuple, said: str) -> None:
    with pytest.raises(CaloforgeError, match=said):
        patch_layout(preset(name), patches)
