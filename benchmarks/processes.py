"""The parent's side of a worker process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent


# The compiler runs inside the worker: a pool of compiler processes would start while other workers are timed.
ENVIRONMENT = {"TORCHINDUCTOR_COMPILE_THREADS": "1"}


class WorkerError(RuntimeError):
    """A worker failed; the message holds its traceback or what it wrote to standard error."""


class WorkerProcess:
    """A process that holds one implementation at one size, and sleeps between requests.

    Args:
        name: an entry of `benchmarks.registry.IMPLEMENTATIONS`.
        batch: K.
        num_labels: M.
        threads: number of threads that the framework may use.
        environment: variables to add to those of this process.
    """

    def __init__(
        self,
        name: str,
        batch: int,
        num_labels: int,
        *,
        threads: int,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close()
        arguments = [name, str(batch), str(num_labels), str(threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *arguments],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a request and wait for its result.

        Raises:
            WorkerError: the request failed in the worker, or the worker died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            self._errors.seek(0)
            code, errors = self._process.returncode, self._errors.read()
            raise WorkerError(f"{self.name} ended with exit status {code} during {command!r}:\n{errors}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.name} failed during {command!r}:\n{answer['error']}")
        return answer["result"]

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # of a process that has died
                    stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
