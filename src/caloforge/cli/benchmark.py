"""`caloforge benchmark`: how fast a network runs in many runtimes, and what it costs in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from caloforge.cli.arguments import Quiet, whole_numbers
from caloforge.cli.bar import bar_of
from caloforge.cli.interrupted import resumable
from caloforge.errors import CaloforgeError


def benchmark(
    out: Annotated[Path, typer.Option(help="Folder for benchmark.json, the tables and the figures.")],
    checkpoint: Annotated[
        str | None, typer.Argument(help="Folder of a trained model, or one that comes along, e.g. calogan-student.")
    ] = None,
    decoder: Annotated[
        str | None,
        typer.Option(metavar="LATENTxHIDDENx...xOUT", help="A decoder MLP with random weights: 10x50x100x200x504."),
    ] = None,
    runtimes: Annotated[
        str, typer.Option(help="Names with commas between them, or 'all': those that can be used here.")
    ] = "all",
    batch: Annotated[str, typer.Option(help="Batch sizes with commas between them.")] = "1,10,100,1000,10000",
    threads: Annotated[int, typer.Option(help="Threads of each runtime, and cores it is pinned to.")] = 1,
    repeats: Annotated[int, typer.Option(help="Turns of every runtime at every batch size.")] = 15,
    trace: Annotated[bool, typer.Option(help="Trace allocations with memray, in processes of their own.")] = True,
    geant4_seconds: Annotated[float | None, typer.Option(help="Geant4's time for one shower.")] = None,
    geant4_file: Annotated[
        Path | None, typer.Option(help="Showers of `caloforge simulate`, which say Geant4's time themselves.")
    ] = None,
    training_seconds: Annotated[
        float | None, typer.Option(help="Time of the training; a checkpoint says it itself.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Time a network in every runtime on the same cores, in turns; interrupted, the same command goes on."""
    if (checkpoint is None) == (decoder is None):
        raise CaloforgeError("give either a checkpoint or --decoder, for example --decoder 10x50x100x200x504.")
    if geant4_seconds is not None and geant4_file is not None:
        raise CaloforgeError("give --geant4-seconds or --geant4-file, not both.")

    import warnings

    from caloforge.timing import Settings
    from caloforge.timing import benchmark as run
    from caloforge.timing.benchmark import choose_runtimes
    from caloforge.timing.report import write_report
    from caloforge.timing.subject import geant4_time, of_checkpoint, of_decoder

    subject: dict[str, Any] = of_decoder(decoder) if decoder is not None else of_checkpoint(str(checkpoint))
    names = None if runtimes == "all" else [name.strip() for name in runtimes.split(",") if name.strip()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chosen, absent = choose_runtimes(names)
        sizes = tuple(dict.fromkeys(whole_numbers(batch, "--batch", "1,10,100")))
        settings = Settings(tuple(chosen), sizes, threads, repeats, trace=trace)
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
    seconds = geant4_seconds if geant4_file is None else geant4_time(geant4_file)
    facts = {"geant4_seconds": seconds, "training_seconds": training_seconds}
    for name, value in facts.items():
        if value is not None and not 0 < value < float("inf"):
            raise CaloforgeError(f"--{name.replace('_', '-')} is {value}, expected a time in seconds above zero.")

    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with resumable(out), bar_of(*columns, quiet=quiet) as bar:
        task = bar.add_task("benchmark", total=1.0)
        results = run(
            subject, settings, out, absent=absent, facts=facts,
            progress=lambda done, total, what: bar.update(task, completed=done, total=total, description=what),
        )  # fmt: skip
    for text in write_report(results):
        typer.echo(text)
