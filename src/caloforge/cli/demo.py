"""`caloforge demo`: the whole way on the embedded Geant4 showers, from training to the report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

MARKER = ".caloforge-demo"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo-output"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of generation and judgement.")] = 0,
    showers: Annotated[int, typer.Option(min=250, max=1000, help="Showers of each model.")] = 1000,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change the demo's recipe, e.g. stages.*.training.epochs=2."),
    ] = None,
) -> None:
    """Train a small CaloFlow on embedded Geant4 showers, generate, judge, and show a report."""
    from contextlib import ExitStack
    from importlib.resources import as_file, files

    from caloforge.models.recipe import load_recipe

    began = time.perf_counter()
    with ExitStack() as stack:
        embedded = {
            part: stack.enter_context(as_file(files("caloforge") / "data" / f"calogan_positrons_{part}.hdf5"))
            for part in ("training", "heldout")
        }
        recipe = load_recipe(stack.enter_context(as_file(files("caloforge") / "data" / "demo.yaml")), changes or [])
        _empty(out)

        from caloforge.models.train import train_recipe

        _say(began, "Training a small CaloFlow on 1,500 embedded Geant4 showers (positrons, 1 to 100 GeV).")
        trained = train_recipe(recipe, embedded["training"], out / "training")
        if trained.checkpoint is None:
            typer.echo("Interrupted; start the demo again.", err=True)
            raise typer.Exit(130)

        from caloforge.models.pretrained import pretrained

        models = {name.removeprefix("calogan-"): folder for name, folder in pretrained().items()}
        models["just trained"] = trained.checkpoint

        generated = {
            name: _generated(began, name, checkpoint, embedded["heldout"], showers, out, seed)
            for name, checkpoint in models.items()
        }
        times = {name: seconds for name, (_, seconds) in generated.items()}

        from caloforge.evaluation import evaluate
        from caloforge.showers import open_showers

        _say(began, "Judging against 1,000 Geant4 showers that no training has seen.")
        files_of = {name: open_showers(path) for name, (path, _) in generated.items()}
        first, *others = files_of
        results = evaluate(
            open_showers(embedded["heldout"]),
            files_of[first],
            training=open_showers(embedded["training"]),
            seed=seed,
            out=out / "report",
            quick=True,
            extra_generated={name: files_of[name] for name in others},
            name=first,
            seconds_per_shower=times,
        )
    _table(results)
    _say(began, "Done. The report, for any browser:")
    typer.echo(str((out / "report" / "report.html").resolve()))


def _say(began: float, what: str) -> None:
    typer.echo(f"[{time.perf_counter() - began:5.0f} s] {what}")


def _empty(out: Path) -> None:
    """A fresh folder: what an earlier demo left there goes, anything else is refused."""
    import shutil

    from caloforge.errors import CaloforgeError
    from caloforge.files import write_text

    if out.exists():
        if not out.is_dir() or (any(out.iterdir()) and not (out / MARKER).is_file()):
            raise CaloforgeError(f"{out} exists and was not made by the demo; choose another folder with --out.")
        shutil.rmtree(out)
    write_text(out / MARKER, "made by caloforge demo, which empties this folder when it runs again\n")


def _generated(
    began: float, name: str, checkpoint: Path, like: Path, showers: int, out: Path, seed: int
) -> tuple[Path, float]:
    """Showers of one model at the energies of the held-out ones: the file's path, and seconds per shower, without those
    of a first shower, for which kernels may be compiled.
    """
    from caloforge.cli.engines import engines
    from caloforge.models.generate import generate
    from caloforge.showers.energies import energies_like

    path, energies = out / f"{name.replace(' ', '-')}.hdf5", energies_like(like, showers)
    generate(checkpoint, energies[:1], out / "first.hdf5", seed=seed, threads=1, engines=engines())
    (out / "first.hdf5").unlink()
    done = generate(checkpoint, energies, path, seed=seed, threads=1, mirrors=True, engines=engines())
    each = done.seconds / done.showers
    _say(began, f"{name}: {done.showers:,} showers, {1e3 * each:.2f} ms each, {done.redrawn} drawn again.")
    return path, each


def _table(results: dict[str, object]) -> None:
    """The headline of every sample beside the floor."""
    from typing import Any, cast

    from caloforge.evaluation import entries

    found = entries(cast(dict[str, Any], results))
    headlines = {name: entry["classifiers"]["headline"] for name, entry in found.items()}
    first = next(iter(headlines.values()))
    typer.echo(f"\n{'AUC against Geant4 (0.5: cannot be told apart)':<52}{first['n']} showers a class")
    typer.echo(f"  {'Geant4 itself (floor)':<34}{first['floor']:.3f} +- {first['floor_spread']:.3f}")
    for name, verdict in headlines.items():
        typer.echo(f"  {name:<34}{verdict['auc']:.3f} +- {verdict['auc_error']:.3f}")
    typer.echo("")
