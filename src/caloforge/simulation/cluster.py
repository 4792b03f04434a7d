"""The same chunks on a Dask cluster; every chunk in a process of its own, whose file travels back."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from caloforge.errors import CaloforgeError
from caloforge.files import replaced
from caloforge.simulation.plan import Chunk, Plan


def run_on_dask(address: str) -> Callable[[Plan, Sequence[Chunk], Callable[[Chunk], None]], None]:
    """A runner for `produce` on the Dask scheduler at an address; the tables' folder must exist on its workers.

    Raises CaloforgeError where Dask is not installed, the scheduler does not answer, or a chunk fails.
    """

    def run(plan: Plan, chunks: Sequence[Chunk], done: Callable[[Chunk], None]) -> None:
        try:
            from distributed import Client, as_completed
        except ImportError as error:
            raise CaloforgeError(
                f"Dask cannot be used ({error}); install it with `pip install 'caloforge[dask]'`."
            ) from error
        try:
            client = Client(address, timeout="20s")
        except (OSError, TimeoutError, ValueError) as error:
            raise CaloforgeError(
                f"No Dask scheduler answers at {address} ({error}); start one, or check it."
            ) from error
        with client:
            manifest = json.dumps(plan.document())
            futures = {client.submit(remote_chunk, manifest, chunk.index, pure=False): chunk for chunk in chunks}
            try:
                for future in as_completed(list(futures)):
                    chunk = futures.pop(future)  # and the cluster may forget the file
                    content, problem = _result(future, chunk)
                    if problem:
                        raise CaloforgeError(problem)
                    with replaced(plan.file(chunk.index)) as beside:
                        beside.write_bytes(content)
                    done(chunk)
            finally:
                client.cancel(list(futures))

    return run


def _result(future: Any, chunk: Chunk) -> tuple[bytes, str]:
    """What `remote_chunk` gave, or why the cluster did not get that far."""
    try:
        content, problem = future.result()
        return content, problem
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        return b"", (
            f"Chunk {chunk.index} failed on the Dask cluster ({said}); finished ones are kept: once its workers run, "
            "with the caloforge of this machine, the same command goes on."
        )


def remote_chunk(manifest: str, index: int) -> tuple[bytes, str]:
    """The file of one chunk of a manifest (JSON text), simulated in a process of its own, or what went wrong."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "manifest.json").write_text(manifest, encoding="utf-8")
        command = [sys.executable, "-m", "caloforge.simulation.cluster", place, str(index)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        file = folder / f"chunk-{index:06d}.npz"
        if done.returncode == 0 and file.is_file():
            return file.read_bytes(), ""
        last = " ".join(done.stderr.strip().splitlines()[-3:])
        return b"", f"Chunk {index} failed on a worker (exit code {done.returncode}): {last}"


def _main(arguments: Sequence[str]) -> Any:
    from caloforge.simulation.chunk import engine_for, simulate_chunk
    from caloforge.simulation.plan import open_plan

    plan = open_plan(Path(arguments[0]))
    try:
        simulate_chunk(plan, plan.chunks[int(arguments[1])], engine_for(plan))
    except CaloforgeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main(sys.argv[1:])
