"""The table of a benchmark, for the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from caloforge.timing.machine import line
from caloforge.timing.results import Results

Rows = list[list[str]]


def number(value: float | None) -> str:
    """Three digits, no exponent for what a table shows."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.1e}"


def times(results: Results) -> Rows:
    """Microseconds per shower and, in brackets, over the matrix products; the bound first, then by the last batch."""
    batches = results.batches
    rows = [["us per shower (over the bound)", *(f"{batch:,}" for batch in batches)]]
    bound = [found for found in results.runtimes.values() if found["bound"] and found["batches"]]
    last = str(batches[-1])
    rest = sorted(
        results.timed().values(), key=lambda found: found["batches"].get(last, {}).get("us_per_shower", float("inf"))
    )
    for found in [*bound, *rest]:
        rows.append([_label(found), *(_cell(found, str(batch)) for batch in batches)])
    seconds = results.document["facts"].get("geant4_seconds")
    if seconds is not None:
        rows.append(["Geant4", *[number(1e6 * seconds)] * len(batches)])
    return rows


def _label(found: dict[str, Any]) -> str:
    return found["label"] if found["precision"] == "float32" else f"{found['label']} ({found['precision']})"


def _cell(found: dict[str, Any], batch: str) -> str:
    if batch in found["refused"]:
        return f"wrong: {number(found['refused'][batch]['difference']) or 'not finite'}"
    if batch not in found["batches"]:
        return ""
    at = found["batches"][batch]
    spread = (at["high_us_per_shower"] - at["low_us_per_shower"]) / 2
    text = f"{number(at['us_per_shower'])} ± {f'{spread:,.0f}' if spread >= 1 else f'{spread:.1g}'}"
    return text if found["bound"] or at["over_bound"] is None else f"{text} ({at['over_bound']:.2f})"


def facts(results: Results) -> Rows:
    """Start, threads and memory of every runtime."""
    asked, traced = results.document["settings"]["threads"], None
    rows = []
    for found in results.runtimes.values():
        if not found["batches"]:
            continue
        start, seen, memory = found["start"] or {}, found["threads"] or {}, found["memory"] or {}
        traced = memory.get("batch", traced)
        peaks = [at["peak_mb"] for at in found["batches"].values() if at["peak_mb"] is not None]
        differences = [at["difference"] for at in found["batches"].values()]
        rows.append([
            _label(found), number(start.get("start_s")), number(_times(1e3, start.get("first_call_s"))),
            _threads(seen), {True: "yes", False: "no", None: "unknown"}[seen.get("obeyed")],
            number(max(peaks, default=None)), number(memory.get("peak_mb")),
            "" if found["bound"] else f"{max(differences):.0e}",
        ])  # fmt: skip
    head = [
        "", "start (s)", "first call (ms)", "threads / CPU over wall time (with waiting)", f"--threads {asked} obeyed",
        "peak resident (MB)", "peak allocated (MB)" if traced is None else f"peak allocated, batch {traced:,} (MB)",
        "difference from PyTorch",
    ]  # fmt: skip
    return [head, *rows]


def _times(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * value


def _threads(seen: dict[str, Any]) -> str:
    if not seen:
        return ""
    waiting = "" if seen.get("wanted_over_wall") is None else f" ({seen['wanted_over_wall']:.2f})"
    return f"{seen['working'] if seen['working'] is not None else '?'} / {seen['cpu_over_wall']:.2f}{waiting}"


def left_out(results: Results) -> list[str]:
    """Runtimes without a time, each with the reason."""
    reasons = [f"{name}: {why}" for name, why in results.document["absent"].items()]
    for name, found in results.runtimes.items():
        if found["why_not"]:
            reasons.append(f"{name}: {found['why_not']}")
        for batch, seen in found["refused"].items():
            how_far = (
                "are not finite" if seen["difference"] is None else f"differ from PyTorch's by {seen['difference']:.1g}"
            )
            reasons.append(
                f"{name}, batch {batch}: its outputs {how_far}, more than {seen['tolerance']:g} of a shower's largest"
            )
    return reasons


def aligned(rows: Rows) -> Iterator[str]:
    """Rows as lines of text, columns aligned; the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(widths[0]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row)]
        yield "  ".join(cells).rstrip()


def markdown(rows: Rows) -> str:
    """Rows as a table in Markdown."""
    lines = [_row(rows[0]), _row(["---", *["---:"] * (len(rows[0]) - 1)]), *map(_row, rows[1:])]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page(results: Results) -> str:
    """The whole result as Markdown."""
    document = results.document
    settings, work = document["settings"], document["work"]
    flags = [
        [found["label"], found["flags"], " ".join(f"{key}={value}" for key, value in found["environment"].items()),
         ", ".join(f"{key} {value}" for key, value in found["versions"].items())]
        for found in results.runtimes.values()
        if found["batches"]
    ]  # fmt: skip
    bound = next((found for found in results.runtimes.values() if found["bound"]), None)
    by = "".join(f"- {int(b):,}: {at['by']}\n" for b, at in bound["batches"].items()) if bound else ""
    pinned = document.get("pinned_to")
    parts = [
        f"# {work['name']}: time per shower\n",
        f"{line(document['machine'])}.\n",
        f"Threads asked for: {settings['threads']}; "
        f"{'pinned to core ' + ', '.join(map(str, pinned)) if pinned else 'not pinned'}; medians of up to "
        f"{settings['repeats']} turns, half the range of their middle 68 % after the sign.\n",
        markdown(times(results)), "", markdown(facts(results)), "",
        f"The bound, by batch size:\n\n{by}" if by else "",
        markdown([["runtime", "flags", "environment", "versions"], *flags]),
    ]  # fmt: skip
    missing = left_out(results)
    if missing:
        parts.append("Left out:\n\n" + "".join(f"- {text}\n" for text in missing))
    return "\n".join(part for part in parts if part)
