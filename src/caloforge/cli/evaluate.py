"""`caloforge evaluate`: judge a file of generated showers against Geant4."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from caloforge.cli.arguments import parse_rows
from caloforge.errors import CaloforgeError

if TYPE_CHECKING:
    from caloforge.showers import ShowerFile

ROWS = "Rows to use, as FIRST:END (END not included), e.g. 0:1000."


def _seconds(texts: list[str], names: list[str]) -> dict[str, float]:
    """Time per shower by name from 'NAME=SECONDS'."""
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = -1.0
        if name not in names or not 0 < found[name] < float("inf"):
            raise CaloforgeError(
                f"--seconds is '{text}', expected NAME=SECONDS with a name among {', '.join(names)}, for example"
                " geant4=1.8."
            )
    return found


def _opened(path: Path, detector: str | None, rows: str | None, option: str) -> ShowerFile:
    """The rows of a file that the option chose, not read yet."""
    from caloforge.showers import open_showers

    file = open_showers(path, detector)
    start, stop = parse_rows(rows, len(file), option)
    return file if stop - start == len(file) else file.between(start, stop)


def _models(texts: list[str], names: list[str]) -> dict[str, dict[str, Any]]:
    """Provenance of checkpoints by the sample's name, from 'CHECKPOINT' (of the first one) or 'NAME=CHECKPOINT'."""
    from caloforge.models.checkpoint import load_checkpoint
    from caloforge.models.pretrained import checkpoint_folder

    found = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals:
            name, folder = names[0], text
        if name not in names:
            raise CaloforgeError(
                f"--model is '{text}', expected CHECKPOINT or NAME=CHECKPOINT with a name among {', '.join(names)}."
            )
        found[name] = load_checkpoint(checkpoint_folder(folder))[2]
    return found


def _list_protocols(asked: bool) -> None:
    if not asked:
        return
    from rich.console import Console
    from rich.table import Table

    from caloforge.evaluation.protocols import describe_protocols

    rows = describe_protocols()
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
    raise typer.Exit


def evaluate(
    reference: Annotated[Path, typer.Option(help="Geant4 showers that no training has seen.")],
    generated: Annotated[list[Path], typer.Option(help="Showers to judge; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Folder for results.json and the report.")],
    training: Annotated[Path | None, typer.Option(help="Geant4 showers of the training.")] = None,
    floor: Annotated[Path | None, typer.Option(help="Further unseen Geant4 showers, for the floors.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Of --list-protocols; by default the one that fits detector and showers.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="PARTS", help="Parts to run, e.g. histograms,fpd; all by default.")
    ] = None,
    repeats: Annotated[int | None, typer.Option(help="Trainings of each classifier.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="250 showers, one seed, stored floor.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of folds, networks and resampling.")] = 0,
    detector: Annotated[str | None, typer.Option(help="Preset or file, where the files do not name it.")] = None,
    reference_rows: Annotated[str | None, typer.Option(help=ROWS)] = None,
    generated_rows: Annotated[str | None, typer.Option(help=ROWS)] = None,
    training_rows: Annotated[str | None, typer.Option(help=ROWS)] = None,
    floor_rows: Annotated[str | None, typer.Option(help=ROWS)] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]CHECKPOINT", help="What a sample was generated with, where its file does not say."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Judge although training has seen the reference.")] = False,
    seconds: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SECONDS", help="Time per shower for the report: of geant4, of a generated file."),
    ] = None,
    hardware: Annotated[str | None, typer.Option(help="What the times were measured on, for the report.")] = None,
    list_protocols: Annotated[
        bool, typer.Option("--list-protocols", callback=_list_protocols, is_eager=True, help="Show all protocols.")
    ] = False,
) -> None:
    """Judge generated showers against Geant4 and write results.json and a self-contained report.html."""
    from caloforge.cli.stages import StageBars
    from caloforge.evaluation import entries
    from caloforge.evaluation import evaluate as judge

    unseen = _opened(reference, detector, reference_rows, "--reference-rows")
    seen = None if training is None else _opened(training, detector, training_rows, "--training-rows")
    further = None if floor is None else _opened(floor, detector, floor_rows, "--floor-rows")
    names = ["generated"] if len(generated) == 1 else [path.stem for path in generated]
    if len(set(names)) < len(names):
        raise CaloforgeError(f"--generated has files of one name ({', '.join(names)}); rename one of them.")
    samples = [_opened(path, detector, generated_rows, "--generated-rows") for path in generated]
    results = judge(
        unseen,
        samples[0],
        seen,
        protocol,
        seed,
        out,
        quick,
        dict(zip(names[1:], samples[1:], strict=True)),
        floor=further,
        only=() if only is None else tuple(part.strip() for part in only.split(",")),
        repeats=repeats,
        name=names[0],
        models=_models(model or [], names),
        force=force,
        seconds_per_shower=_seconds(seconds or [], ["geant4", *names]),
        hardware=hardware,
        progress=StageBars.where_seen(),
    )
    for name, entry in entries(results).items():
        typer.echo(f"{name}: {entry['verdict']}")
    for note in results["notes"]:
        typer.echo(f"note: {note}")
    typer.echo(str(out / "report.html"))
