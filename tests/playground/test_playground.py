"""The playground: its laws and measures are right, transport straightens, bad input is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ot
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from caloforge.cli.app import app
from caloforge.errors import CaloforgeError
from caloforge.generative import Euler, ExactOT, Independent, OdeSettings, Sinkhorn, VelocityField
from caloforge.playground import TOYS, Mixture, Ring, Settings, compare, straightness, wasserstein
from caloforge.playground.comparison import Comparison, Measured
from caloforge.playground.figure import draw
from caloforge.playground.table import table, told
from caloforge.playground.toys import ToyBatches

QUICK = Settings(
    {"independent": Independent(), "exact OT": ExactOT()}, updates=200, seeds=2, samples=500, steps=(1, 2, 8),
    batch_size=128,
)  # fmt: skip


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare("8gaussians", TOYS["8gaussians"], QUICK)


def test_transport_gives_straighter_paths_and_better_samples_at_few_steps(comparison: Comparison) -> None:
    plain, transported = comparison.found["independent"], comparison.found["exact OT"]
    for index in range(QUICK.seeds):
        assert transported.straightness.values[index] < 0.1 * plain.straightness.values[index]
        assert transported.wasserstein[1].values[index] < 0.5 * plain.wasserstein[1].values[index]
        assert transported.wasserstein[2].values[index] < 0.8 * plain.wasserstein[2].values[index]
    assert plain.wasserstein[8].mean < 0.5 * plain.wasserstein[1].mean
    assert 0 < comparison.floor.mean < transported.wasserstein[8].mean


def test_what_is_kept_of_a_comparison(comparison: Comparison) -> None:
    kept = json.loads(json.dumps(comparison.as_json()))
    assert kept["seeds"] == [0, 1] and kept["samples"] == 500 and kept["solver"] == "Euler()"
    numbers = kept["couplings"]["exact OT"]["w2"]["2"]
    assert numbers["mean"] == pytest.approx(np.mean(numbers["values"])) and len(numbers["values"]) == 2
    assert numbers["error"] == pytest.approx(np.std(numbers["values"], ddof=1) / np.sqrt(2))
    profile = np.array(kept["couplings"]["independent"]["departure_from_chord"])
    assert np.trapezoid(profile, kept["times"]) == pytest.approx(
        kept["couplings"]["independent"]["straightness"]["mean"]
    )
    text = table(comparison)
    assert "2 seeds" in text and "500 points" in text and told(comparison.found["exact OT"].wasserstein[8]) in text
    assert len({len(line) for line in text.splitlines()[:-1]}) == 1
    assert comparison.found["exact OT"].evaluations == {1: 1, 2: 2, 8: 8}


def test_equal_seeds_give_equal_numbers() -> None:
    short = replace(QUICK, updates=5, seeds=1, samples=150)
    first, again = (compare("moons", TOYS["moons"], short).as_json() for _ in range(2))
    other = compare("moons", TOYS["moons"], replace(short, seed=1)).as_json()
    for kept in (first, again, other):
        for coupling in kept["couplings"].values():
            del coupling["seconds"]
    assert first == again and first["couplings"] != other["couplings"]


def test_told() -> None:
    assert told(Measured((0.1, 0.3))) == "0.200(100)" and told(Measured((0.25,))) == "0.250"


@pytest.mark.parametrize("features", [1, 2])
def test_distance_against_an_outside_solver(features: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(120, features)), 0.5 + 2 * rng.normal(size=(120, features))
    assert wasserstein(a, b) == pytest.approx(np.sqrt(ot.emd2([], [], ot.dist(a, b))), rel=1e-9)
    assert wasserstein(a, a[::-1]) == 0
    with pytest.raises(CaloforgeError, match="two samples of one shape"):
        wasserstein(a, b[1:])


class Turning(nn.Module):
    """v = pi (-y, x) or the constant (3, 4): half a turn about the origin, or a straight line."""

    def __init__(self, straight: bool) -> None:
        super().__init__()
        self.straight = straight

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        if self.straight:
            return torch.tensor([3.0, 4.0]).expand(x.shape)
        return np.pi * torch.stack([-x[:, 1], x[:, 0]], 1)


def test_straightness_in_closed_form() -> None:
    noise = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    _, profile = straightness(VelocityField(Turning(True), 2), noise, {})
    assert np.abs(profile).max() < 1e-9
    times, profile = straightness(VelocityField(Turning(False), 2), noise, {})
    # |chord - v|^2 / |chord|^2 with chord -2 r and v of length pi r at the angle pi t + pi / 2 to the start.
    expected = 1 + np.pi**2 / 4 - np.pi * np.sin(np.pi * times)
    np.testing.assert_allclose(profile, expected, atol=1e-4)


@pytest.mark.parametrize("name", TOYS.names())
def test_toys(name: str) -> None:
    toy = TOYS[name]
    points = toy.draw(4000, np.random.default_rng(0))
    assert points.shape == (4000, toy.features) and np.isfinite(points).all()
    assert np.abs(points.mean(0)).max() < 0.6 and 0.5 < points.std() < 2
    assert np.array_equal(points, toy.draw(4000, np.random.default_rng(0)))
    batches = ToyBatches(toy, 16, 5, seed=3)
    whole = list(batches.epoch(1))
    assert len(whole) == len(batches) == 5 and torch.equal(next(iter(batches.epoch(1, 3)))["x"], whole[3]["x"])
    assert not torch.equal(whole[0]["x"], whole[1]["x"])


def test_laws_of_toys() -> None:
    rng = np.random.default_rng(1)
    mixture = Mixture((-1.0, 2.0), (0.1, 0.1), (0.25, 0.75)).draw(8000, rng)
    assert np.mean(mixture < 0.5) == pytest.approx(0.25, abs=0.02)
    ring = Ring(6, 3.0, 0.01).draw(2000, rng)
    assert np.linalg.norm(ring, axis=1) == pytest.approx(3.0, abs=0.06)
    assert len(np.unique(np.round(np.arctan2(ring[:, 1], ring[:, 0]) / (np.pi / 3)) % 6)) == 6
    fields = np.floor(TOYS["checkerboard"].draw(2000, rng) + 2).astype(int)
    assert (fields.sum(1) % 2 == 0).all() and len(np.unique(fields, axis=0)) == 8


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"updates": 0}, "updates=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"samples": 20}, "samples=20"),
        ({"seeds": 0}, "seeds=0"),
        ({"seed": -1}, "seed=-1"),
        ({"steps": (4, 2)}, "increasing"),
        ({"steps": (0, 2)}, "increasing"),
        ({"couplings": {}}, "no coupling"),
    ],
)
def test_settings_that_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(CaloforgeError, match=said):
        replace(QUICK, **changes)
    with pytest.raises(CaloforgeError, match="shares"):
        Mixture(shares=(0.5, 0.5, 0.5))


def test_command(tmp_path: Path) -> None:
    arguments = ["toy", "mixture", "--out", str(tmp_path / "a"), "--updates", "20", "--seeds", "1", "--samples", "200"]
    done = CliRunner().invoke(app, [*arguments, "--steps", "1,3", "--solver", "heun", "--batch-size", "32"])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["mixture.json", "mixture.pdf", "mixture.png"]
    kept = json.loads((tmp_path / "a" / "mixture.json").read_text())
    assert list(kept["couplings"]) == ["independent", "Sinkhorn", "exact OT"]
    assert kept["couplings"]["exact OT"]["evaluations"] == {"1": 2, "3": 6}
    assert (tmp_path / "a" / "mixture.png").read_bytes().startswith(b"\x89PNG")
    assert "data against data" in done.output and "W2, 3 steps" in done.output


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["moon"], "'moon' is no toy .* Did you mean 'moons'"),
        (["moons", "--coupling", "exact"], "'exact' is no coupling"),
        (["moons", "--coupling", "sorted-ot", "--updates", "2"], "SortedOT couples one number per sample"),
        (["moons", "--solver", "eular"], "Did you mean 'euler'"),
        (["moons", "--steps", "1,x"], "--steps is '1,x'"),
        (["moons", "--steps", "2,2"], "increasing numbers"),
        (["moons", "--samples", "3"], "samples=3"),
        (["moons", "--out", "FILE", "--updates", "2"], "is a file; give a folder"),
    ],
)
def test_command_says_what_is_wrong(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "FILE").write_text("kept")
    named = [str(tmp_path / "FILE") if part == "FILE" else part for part in arguments]
    done = CliRunner().invoke(app, ["toy", "--out", str(tmp_path / "out"), *named])
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1 and re.search(said, done.stderr)
    assert not (tmp_path / "out").exists() and (tmp_path / "FILE").read_text() == "kept"


def test_a_coupling_that_does_not_fit_is_refused_before_any_training(tmp_path: Path) -> None:
    couplings = ["--coupling", "independent", "--coupling", "sorted-ot"]
    done = CliRunner().invoke(app, ["toy", "moons", "--out", str(tmp_path / "out"), "--updates", "2", *couplings])
    assert done.exit_code == 2 and "SortedOT couples one number per sample" in done.stderr
    assert "updates in" not in done.stdout


def test_panels_of_a_figure_with_one_column_of_samples_keep_apart(comparison: Comparison) -> None:
    found = {
        f"coupling {number}": replace(each, wasserstein={8: each.wasserstein[8]})
        for number, each in enumerate(2 * list(comparison.found.values()))
    }
    figure = draw(replace(comparison, found=found, settings=replace(comparison.settings, steps=(8,))))
    figure.draw_without_rendering()
    left, right = (axes.get_tightbbox().extents for axes in figure.axes[-2:])
    assert left[2] < right[0]
    departure = figure.axes[-2]
    curves = np.concatenate([np.column_stack(line.get_data()) for line in departure.get_lines()])
    beside = departure.transData.transform(curves)
    legend = departure.get_legend().get_window_extent()
    assert not legend.padded(-1).count_contains(beside), "the legend lies above the curves"


def test_a_batch_of_one_is_coupled() -> None:
    for coupling in (ExactOT(), Sinkhorn()):
        short = replace(QUICK, couplings={"one": coupling}, updates=3, batch_size=1, seeds=1, samples=150)
        assert compare("moons", TOYS["moons"], short).found["one"].straightness.mean > 0
    assert OdeSettings(Euler(), 3).grid.steps == 3
