"""The Python examples of the documentation run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


PAGES = (
    "detectors.md",
    "classifiers.md",
    "comparing.md",
    "data.md",
    "dit.md",
    "export.md",
    "fast-inference.md",
    "flows.md",
    "flow-matching.md",
    "metrics.md",
    "observables.md",
    "report.md",
    "simulation.md",
    "training.md",
    "transport.md",
)


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    exec(compile("\n".join(blocks), page, "exec"), {"__name__": "documentation"})
