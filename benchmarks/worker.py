"""The process that runs one implementation: `python -m benchmarks.worker NAME BATCH NUM_LABELS THREADS`.

It reads one JSON object a line from standard input and answers each with one line. Between requests it waits without
using a processor, so that another worker can be timed.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from benchmarks.batches import BATCHES, draw_batches
from benchmarks.labels import active_share
from benchmarks.memory import peak_extra_bytes
from benchmarks.registry import IMPLEMENTATIONS

SLOW_S = 0.3
"""A step that takes longer than this is not warmed up before each burst."""

SETTLE_S = 0.05
"""Time for XLA's threads to return a step's memory, which would otherwise count as memory before the next step."""


class Worker:
    """Holds one step and times it on request."""

    def __init__(self, name: str, batch: int, num_labels: int, threads: int) -> None:
        self._batch = batch
        self._num_labels = num_labels
        self._step = IMPLEMENTATIONS[name].build(num_labels, threads=threads)
        self._next = 0

    def versions(self) -> dict[str, str]:
        """The versions of what the step runs on."""
        return self._step.versions()

    def load(self, labels: str) -> dict[str, Any]:
        """Draw batches of a kind of labels, run each once (this compiles), and say which pairs are active."""
        self._step.load(draw_batches(self._batch, self._num_labels, labels, BATCHES))
        for _ in range(BATCHES):
            self._timed_step()
        relation = self._step.relation()
        if relation is None:
            return {"together": None, "apart": None}
        together, apart = active_share(relation)
        return {"together": together, "apart": apart}

    def _timed_step(self) -> float:
        index = self._next
        self._next = (index + 1) % BATCHES
        start = time.perf_counter()
        self._step.step(index)
        return time.perf_counter() - start

    def time(self, budget_s: float, max_steps: int) -> list[float]:
        """Run steps for about `budget_s`, at least one and at most `max_steps`; return the seconds of each.

        A few steps that do not count come first, since another process has filled the processor's caches.
        """
        warm_up = time.perf_counter()
        while self._timed_step() < SLOW_S and time.perf_counter() - warm_up < budget_s / 5:
            pass
        seconds: list[float] = []
        start = time.perf_counter()
        while not seconds or (len(seconds) < max_steps and time.perf_counter() - start < budget_s):
            seconds.append(self._timed_step())
        return seconds

    def memory(self, steps: int) -> int:
        """The peak extra memory of a step in bytes, the median of `steps`."""
        peaks = []
        for _ in range(steps):
            self._step.release()
            time.sleep(SETTLE_S)
            peaks.append(peak_extra_bytes(self._timed_step))
        return round(statistics.median(peaks))


def serve(worker: Worker, requests: TextIO, answers: TextIO) -> None:
    """Answer each `{"command": name, **arguments}` with `{"result": ...}` or `{"error": traceback}`."""
    commands: dict[str, Callable[..., Any]] = {
        "versions": worker.versions,
        "load": worker.load,
        "time": worker.time,
        "memory": worker.memory,
    }
    for line in requests:
        request = json.loads(line)
        try:
            answer = {"result": commands[request.pop("command")](**request)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Serve until standard input ends. What a framework prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    name, *numbers = sys.argv[1:]
    serve(Worker(name, *map(int, numbers)), sys.stdin, answers)


if __name__ == "__main__":
    main()
