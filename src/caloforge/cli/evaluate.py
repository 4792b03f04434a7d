"""`caloforge evaluate`: judge a file of generated showers against Geant4."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from caloforge.errors import CaloforgeError

ROWS = "Rows to use, as FIRST:END (END not included), e.g. 0:1000."


def _rows(text: str | None, total: int, option: str) -> tuple[int, int]:
    """First row and end of 'FIRST:END' within a file of `total` showers."""
    if text is None:
        return 0, total
    first, _, end = text.partition(":")
    try:
        start, stop = int(first or 0), int(end or total)
    except ValueError:
        start = stop = -1
    if ":" not in text or not 0 <= start < stop <= total:
        raise CaloforgeError(f"{option} is '{text}', expected FIRST:END within 0:{total}, for example 0:{total}.")
    return start, stop


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


def evaluate(
    reference: Annotated[Path, typer.Option(help="Geant4 showers that no training has seen.")],
    generated: Annotated[list[Path], typer.Option(help="Showers to judge; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Folder for results.json and report.html.")],
    training: Annotated[Path | None, typer.Option(help="Geant4 showers of the training.")] = None,
    protocol: Annotated[str, typer.Option(help="small-n (with classifiers) or caloforge-1 (without).")] = "small-n",
    quick: Annotated[bool, typer.Option("--quick", help="250 showers, one seed, stored floor.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of folds, networks and resampling.")] = 0,
    detector: Annotated[str | None, typer.Option(help="Preset or file, where the files do not name it.")] = None,
    reference_rows: Annotated[str | None, typer.Option(help=ROWS)] = None,
    training_rows: Annotated[str | None, typer.Option(help=ROWS)] = None,
    seconds: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SECONDS", help="Time per shower for the report: of geant4, of a generated file."),
    ] = None,
) -> None:
    """Judge generated showers against Geant4 and write results.json and a self-contained report.html."""
    from caloforge.evaluation import evaluate as judge
    from caloforge.showers import ShowerFile, Showers, open_showers

    def opened(path: Path, rows: str | None, option: str) -> ShowerFile | Showers:
        file = open_showers(path, detector)
        start, stop = _rows(rows, len(file), option)
        return file if stop - start == len(file) else file.read(start, stop)

    unseen = opened(reference, reference_rows, "--reference-rows")
    seen = None if training is None else opened(training, training_rows, "--training-rows")
    single = len(generated) == 1
    names = ["generated"] if single else [path.stem for path in generated]
    if len(set(names)) < len(names):
        raise CaloforgeError(f"--generated has files of one name ({', '.join(names)}); rename one of them.")
    samples = [open_showers(path, detector) for path in generated]
    extra = dict(zip(names[1:], samples[1:], strict=True))
    times = _seconds(seconds or [], ["geant4", *names])
    results = judge(
        unseen, samples[0], seen, protocol, seed, out, quick, extra, name=names[0], seconds_per_shower=times
    )
    for name, sample in results["samples"].items():
        response = sample["separation"]["Etot / Einc"]["value"]
        line = f"{name}: separation of Etot / Einc {response:.4f}"
        if "classifiers" in sample:
            best = sample["classifiers"]["headline"]
            line += f", headline AUC {best['auc']:.3f} +- {best['auc_error']:.3f}, JSD {best['jsd']:.3f}"
        typer.echo(line)
    for note in results["notes"]:
        typer.echo(f"note: {note}")
    typer.echo(str(out / "report.html"))
