"""What runs in a process of its own: tasks named on its command line, each answered by a line of JSON.

A kernel that fails takes its process's CUDA context with it, and one that hangs never ends. So whoever asks starts a
process for some tasks, reads answers as they come, and after a failure starts another for the tasks that are left.
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
"""How many characters of an error's text are kept, the last ones."""

LEFT_OUT = "left out: the time was up"
"""The error of what was not begun."""

Answer = dict[str, Any]


def trimmed(text: str) -> str:
    """The end of an error's text, without the places that this machine keeps things in."""
    text = text.replace(f"{ROOT}{os.sep}", "")
    for folder, name in ((sys.prefix, "PREFIX"), (sys.base_prefix, "PREFIX"), (str(Path.home()), "~")):
        text = text.replace(folder, name) if folder != os.sep else text
    return text[-LAST:]


def answers_to_parent() -> TextIO:
    """Standard output for answers alone; whatever else writes to it then goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def serve(tasks: Sequence[str], run: Callable[[str], Any], healthy: Callable[[], object], answers: TextIO) -> None:
    """Run the tasks in their order and answer each with `{"result": ...}` or `{"error": text}`.

    The last answer has `"last": true` where a task leaves nothing that can run on.

    Args:
        tasks: their names.
        run: does one and gives what JSON can hold.
        healthy: called after each; raises where nothing more can be run in this process.
        answers: where the lines go.
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
        deadline: when all must have ended, by `time.monotonic`.
        task_s: seconds that one may take; then its process is ended.
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
    """Have tasks done by `python -m MODULE ARGUMENTS TASKS`, in as many processes as it takes.

    Args:
        module: its main calls `serve`.
        arguments: what comes before the tasks.
        tasks: their names; every one is answered, in order.
        limits: how long they may take.
        environment: variables to add to this process's own.

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
    """The answers of one process, and an error in place of the one that it does not live to give."""
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
                if not line.endswith("\n"):  # nothing, or what it was writing when it ended
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
