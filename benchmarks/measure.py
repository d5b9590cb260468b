"""Times implementations in turn: each in its own process, in short bursts, one process at a time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.memory import MALLOC_ENVIRONMENT
from benchmarks.processes import WorkerProcess
from benchmarks.registry import IMPLEMENTATIONS


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        rounds: number of bursts of each implementation.
        burst_s: seconds a burst lasts, at least one step.
        max_steps: maximum number of steps in a burst.
        memory_steps: number of steps whose peak memory is measured.
        threads: number of threads of each framework.
    """

    rounds: int = 15
    burst_s: float = 0.2
    max_steps: int = 200
    memory_steps: int = 5
    threads: int = 2


@dataclass(frozen=True)
class Row:
    """One implementation at one size on one kind of labels.

    `over_bce` is the row's median over that of cross-entropy alone in the same mode (eager or compiled). `plain_over`
    is the median of the plain formula in the same framework (eager, where it has an eager mode) over the row's median:
    how many times faster the row is. `active_together` and `active_apart` are the shares of active label pairs.
    """

    implementation: str
    title: str
    compiled: bool
    batch: int
    num_labels: int
    labels: str
    steps: int
    median_ms: float
    min_ms: float
    max_ms: float
    over_bce: float | None
    plain_over: float | None
    peak_memory_bytes: int
    active_together: float | None
    active_apart: float | None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain types."""
        return asdict(self)


@dataclass(frozen=True)
class Timed:
    """The times of one implementation on one kind of labels, and the shares of active pairs."""

    seconds: tuple[float, ...]
    together: float | None
    apart: float | None


def in_turn(workers: Sequence[WorkerProcess], plan: Plan) -> list[list[float]]:
    """Time every worker in every round. Each round starts one worker later; only one worker runs at a time."""
    seconds: list[list[float]] = [[] for _ in workers]
    for turn in range(plan.rounds):
        for offset in range(len(workers)):
            at = (turn + offset) % len(workers)
            seconds[at] += workers[at].ask("time", budget_s=plan.burst_s, max_steps=plan.max_steps)
    return seconds


def measure_size(
    batch: int,
    num_labels: int,
    names: Sequence[str],
    kinds: Sequence[str],
    plan: Plan,
    *,
    say: Callable[[str], None],
) -> tuple[list[Row], dict[str, str]]:
    """Measure all implementations at one size; returns the rows and the versions that the workers report."""
    timed: dict[str, dict[str, Timed]] = {kind: {} for kind in kinds}
    versions: dict[str, str] = {}
    with ExitStack() as stack:
        workers = [stack.enter_context(WorkerProcess(name, batch, num_labels, threads=plan.threads)) for name in names]
        for worker in workers:
            versions |= worker.ask("versions")
        for kind in kinds:
            say(f"({batch}, {num_labels}) {kind} labels: preparing {len(names)} implementations")
            active = [worker.ask("load", labels=kind) for worker in workers]
            say(f"({batch}, {num_labels}) {kind} labels: {plan.rounds} rounds")
            for name, seconds, shares in zip(names, in_turn(workers, plan), active, strict=True):
                timed[kind][name] = Timed(tuple(seconds), shares["together"], shares["apart"])
    say(f"({batch}, {num_labels}): peak memory")
    peaks = measure_memory(batch, num_labels, names, kinds, plan)
    rows = [
        row
        for kind in kinds
        for row in make_rows(batch, num_labels, kind, timed[kind], {name: peaks[name][kind] for name in names})
    ]
    return rows, versions


def measure_memory(
    batch: int, num_labels: int, names: Sequence[str], kinds: Sequence[str], plan: Plan
) -> dict[str, dict[str, int]]:
    """The peak extra memory of each implementation on each kind of labels, in bytes."""
    peaks: dict[str, dict[str, int]] = {name: {} for name in names}
    with ExitStack() as stack:
        # All processes start at once; then only the one that is asked runs.
        workers = [
            stack.enter_context(
                WorkerProcess(name, batch, num_labels, threads=plan.threads, environment=MALLOC_ENVIRONMENT)
            )
            for name in names
        ]
        for name, worker in zip(names, workers, strict=True):
            for kind in kinds:
                worker.ask("load", labels=kind)
                peaks[name][kind] = int(worker.ask("memory", steps=plan.memory_steps))
            worker.close()
    return peaks


def make_rows(batch: int, num_labels: int, kind: str, timed: dict[str, Timed], peaks: dict[str, int]) -> list[Row]:
    """Turn the seconds of every implementation into rows with medians and ratios."""
    medians = {name: statistics.median(entry.seconds) for name, entry in timed.items()}
    rows = []
    for name, entry in timed.items():
        implementation = IMPLEMENTATIONS[name]
        base, plain = medians.get(implementation.baseline), medians.get(implementation.plain)
        rows.append(
            Row(
                implementation=name,
                title=implementation.title,
                compiled=implementation.compiled,
                batch=batch,
                num_labels=num_labels,
                labels=kind,
                steps=len(entry.seconds),
                median_ms=medians[name] * 1e3,
                min_ms=min(entry.seconds) * 1e3,
                max_ms=max(entry.seconds) * 1e3,
                over_bce=None if base is None else medians[name] / base,
                plain_over=None if plain is None else plain / medians[name],
                peak_memory_bytes=peaks[name],
                active_together=entry.together,
                active_apart=entry.apart,
            )
        )
    return rows
