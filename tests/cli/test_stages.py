"""Progress bars of stages: only where a terminal is, one at a time."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from caloforge.cli.stages import StageBars


def test_no_bars_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert StageBars.where_seen() is None


def test_a_bar_says_stage_count_and_rate() -> None:
    bars, text = StageBars(), io.StringIO()
    bars._console = Console(file=text, force_terminal=True, width=120)
    advance = bars.begin("features", 200, "showers")
    advance(150)
    advance(50)
    bars.begin("histograms", 3, "samples")(1)
    bars.end()
    bars.end()
    said = text.getvalue()
    for word in ("features", "200/200", "showers/s", "histograms", "1/3"):
        assert word in said
