"""A worker process as the benchmark sees it: started with a job, asked and answered over pipes."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_PREFIXES = ("OPENBLAS_", "GOTO_", "BLIS_", "MKL_", "OMP_", "KMP_", "GOMP_", "DNNL_", "ONEDNN_", "XLA_", "TF_NUM_")
_NAMES = ("ATEN_CPU_CAPABILITY", "NPY_DISABLE_CPU_FEATURES", "NPROC", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change threads or instructions of numerical libraries."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_PREFIXES) and name not in _NAMES}


class WorkerFailed(Exception):
    """A worker ended or could not do what it was asked; the text says why."""


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process that leads a session of its own, and all that it has started, at once."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Worker:
    """One process in one role (`caloforge.timing.worker`); closes with the block."""

    def __init__(
        self,
        role: str,
        job: Mapping[str, Any],
        log: Path,
        environment: Mapping[str, str] | None = None,
        cores: Sequence[int] | None = None,
    ) -> None:
        questions, self._ask = os.pipe()
        self._answers, answers = os.pipe()
        log.parent.mkdir(parents=True, exist_ok=True)
        place = log.with_suffix(".json")
        self._log = log
        pinned = None if cores is None else list(cores)
        document = {**job, "role": role, "questions": questions, "answers": answers, "pinned": pinned}
        place.write_text(json.dumps({**document, "spawned": time.monotonic()}), encoding="utf-8")
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "caloforge.timing.worker", str(place)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=(questions, answers),
                env={**clean_environment(), **(environment or {})}, start_new_session=True,
            )  # fmt: skip
        os.close(questions)
        os.close(answers)
        self._rest = b""

    def ask(self, timeout: float = 900.0, **question: Any) -> dict[str, Any]:
        """Ask and wait for the answer; raises WorkerFailed."""
        try:
            os.write(self._ask, (json.dumps(question) + "\n").encode())
        except OSError as error:
            raise WorkerFailed(self._why()) from error
        return self.answer(timeout)

    def answer(self, timeout: float = 900.0) -> dict[str, Any]:
        """The next answer; raises WorkerFailed where the process ends, fails or takes too long."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise WorkerFailed(f"it gave no answer within {timeout:.0f} s")
            found = os.read(self._answers, 65536)
            if not found:
                raise WorkerFailed(self._why())
            self._rest += found
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise WorkerFailed(answer["failed"])
        return answer

    def close(self) -> None:
        """Let the process end, and end it where it does not."""
        for descriptor in (self._ask, self._answers):
            with suppress(OSError):
                os.close(descriptor)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End the process and what it has started, a compiler for example, at once."""
        end_group(self._process)
        self.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def _why(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        lines = [line.strip() for line in self._log.read_text("utf-8", "replace").splitlines() if line.strip()]
        code = self._process.poll()
        said = f"; it last said: {lines[-1][:300]}" if lines else ""
        return f"its process ended with code {code}{said}"
