"""Export to Keras, which takes a backend of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from caloforge.deployment.export import export
from caloforge.models.pretrained import pretrained

pytestmark = pytest.mark.runtimes


def test_keras(tmp_path: Path) -> None:
    done = export(pretrained()["calogan-vae"], "keras", tmp_path / "out", showers=50)
    assert done.agreement.good
    assert done.files == ("export.json", "model.keras")
