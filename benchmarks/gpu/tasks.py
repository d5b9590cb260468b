"""Runs tasks in child processes: each task is named on the command line and answered by a line of JSON.

A kernel that fails makes its process's CUDA context unusable, and one that hangs never ends. So the parent starts a
process for several tasks, reads the answers as they come, and after a failure starts another process for the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
LAST = 2000
"""An error's text is cut to this many characters, the last ones."""

LEFT_OUT = "left out: the time was up"
"""The error of a task that was not started."""

Answer = dict[str, Any]


def trimmed(text: str) -> str:
    """The end of an error's text, without the paths of this machine."""
    text = text.replace(f"{ROOT}{os.sep}", "")
    for folder, name in ((sys.prefix, "PREFIX"), (sys.base_prefix, "PREFIX"), (str(Path.home()), "~")):
        text = text.replace(folder, name) if folder != os.sep else text
    return text[-LAST:]


def answers_to_parent() -> TextIO:
    """A stream to the parent; from now on, other output to standard output goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def serve(tasks: Sequence[str], run: Callable[[str], Any], healthy: Callable[[], object], answers: TextIO) -> None:
    """Run the tasks in order and answer each with `{"result": ...}` or `{"error": text}`.

    An answer has `"last": true` where no further task can run in this process; then this returns.

    Args:
        tasks: their names.
        run: runs one task; its result must fit into JSON.
        healthy: is called after each task; raises where no further task can run in this process.
        answers: the stream that the lines are written to.
    """
    for task in tasks:
        answer: Answer
        try:
            answer = {"result": run(task)}
        except Exception:
            answer = {"error": trimmed(traceback.format_exc())}
        try:
            healthy()
        except Exception:
            answer["last"] = True
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if "last" in answer:
            return


@dataclass(frozen=True)
class Limits:
    """How long tasks may take.

    Attributes:
        deadline: when all must have ended, on the clock `time.monotonic`.
        task_s: seconds that a task may take; then its process is killed.
    """

    deadline: float
    task_s: float = 90.0

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


def ask(
    module: str,
    arguments: Sequence[str],
    tasks: Sequence[str],
    limits: Limits,
    *,
    environment: dict[str, str] | None = None,
) -> Generator[tuple[str, Answer]]:
    """Run tasks by `python -m MODULE ARGUMENTS TASKS`, in as many processes as needed.

    Args:
        module: a module whose main calls `serve`.
        arguments: the command line before the tasks.
        tasks: their names; every one is answered, in order.
        limits: how long they may take.
        environment: variables to add to those of this process.

    Yields:
        The name of each task and its answer, as it comes.
    """
    left = list(tasks)
    while left and limits.left() > 0:
        for answer in _one_process(module, [*arguments, *left], len(left), limits, environment or {}):
            yield left.pop(0), answer
    for task in left:
        yield task, {"error": LEFT_OUT}


def _one_process(
    module: str, arguments: Sequence[str], count: int, limits: Limits, environment: dict[str, str]
) -> Generator[Answer]:
    """The answers of one process; if it dies, an error in place of the answer that is due."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        try:
            for _ in range(count):
                watch = threading.Timer(max(0.0, min(limits.task_s, limits.left())), end)
                watch.start()
                line = process.stdout.readline()
                watch.cancel()
                if not line.endswith("\n"):  # nothing, or a part of a line
                    process.wait()
                    errors.seek(0)
                    how = "out of time" if late.is_set() else f"exit status {process.returncode}"
                    yield {"error": f"the process ended: {how}\n{trimmed(errors.read())}"}
                    return
                answer = json.loads(line)
                last = answer.pop("last", False)
                yield answer
                if last:
                    return
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
