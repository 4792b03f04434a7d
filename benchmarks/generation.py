"""Time per generated shower: CaloFlow in its published size on calogan, the autoencoder of Geant4's Par04 on ds3, and
the models that come with caloforge.

Whole showers, from incident energies to MeV per voxel, one core, float32. The published sizes (recipes
`caloflow-calogan`, `vae-ds3`) have random weights near their start: time does not depend on them. Published for
orientation: CaloFlow's teacher 36.5 ms, student 0.08 ms per shower on a GPU (TITAN V), Geant4 1772 ms
(arXiv:2106.05285, 2110.11377 as told in a talk).

    python benchmarks/generation.py [--quick]

Exit code 0 only where all goals are met.
"""

from __future__ import annotations

import sys
from statistics import median

import torch
from harness import Goals, quick, seconds, setting

from caloforge.detectors import preset
from caloforge.models import ShowerModel, build
from caloforge.models.checkpoint import load_checkpoint
from caloforge.models.pretrained import pretrained
from caloforge.models.recipe import load_recipe

PUBLISHED_TEACHER_MS, BATCHES = 36.5, (1, 100, 10_000)


def published(recipe: str, stage: str) -> ShowerModel:
    """The model of one stage of a published recipe, moved a little away from its start."""
    loaded = load_recipe(recipe, [])
    model = build(loaded.model_of(stage), preset(loaded.detector)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model


def main() -> int:
    """Print the measurement; 0 where all goals are met."""
    fast = quick(__doc__)
    print(setting(("caloforge", "torch", "numba")))
    models = {
        "published teacher": published("caloflow-calogan", "voxels"),
        "published student": published("caloflow-calogan", "student"),
        "Par04's autoencoder on ds3": published("vae-ds3", "shower"),
    }
    models |= {name: load_checkpoint(folder)[0] for name, folder in pretrained().items()}
    goals = Goals("generation")
    for name, model in models.items():
        numbers = sum(parameter.numel() for parameter in model.parameters())
        found = []
        for batch in BATCHES[:2] if fast else BATCHES:
            energy = 1e3 + 9.9e4 * torch.rand(batch)
            generator = torch.Generator().manual_seed(0)
            repeats = 5 if fast else {1: 40, 100: 15, 10_000: 1}[batch]

            def draw(model=model, energy=energy, generator=generator) -> None:  # type: ignore[no-untyped-def]
                # In the batches of `caloforge generate`.
                for part in energy.split(1000):
                    model.sample(part, generator)

            ms = 1e3 * median(seconds({"ours": draw}, repeats)["ours"]) / batch
            found.append(f"{ms:.3g} ms at batch {batch:,}")
            if name == "published teacher" and batch == 100:
                goals.at_most("ms per shower of the published teacher at batch 100, one core", ms, PUBLISHED_TEACHER_MS)
        print(f"{name} ({numbers / 1e6:.1f} million parameters): {', '.join(found)}")
    return goals.finish()


if __name__ == "__main__":
    sys.exit(main())
