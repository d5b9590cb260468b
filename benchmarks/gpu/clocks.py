"""Measures the time and memory of a step: by graph replay or events on a CUDA device, by the host's clock on a CPU."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from benchmarks.batches import BATCHES

PASSES = 4
"""Number of times that a graph goes through the batches, so that its launch is short beside its work."""

FAST_S, SLOW_S = 0.005, 0.05
"""Seconds of host time a step: up to FAST_S the step is repeated PASSES times; beyond SLOW_S it runs on one batch."""

HOW = (
    "A step is relation update, forward and backward to the logits, in float32. timed_by 'graph': after warm-up on a "
    f"side stream, {PASSES} steps on each of {BATCHES} batches (one, where the host takes over {FAST_S} s a step; over "
    f"{SLOW_S} s, one step in all) are captured in a CUDA graph, and replays of it, back to back, are timed by CUDA "
    "events: what the device takes, without the host. 'events': the same events around steps that the host launches "
    "one by one, for what could not be captured (capture_error says why). 'wall': the host's clock around many steps "
    "that are dispatched without waiting and one wait at their end; the host's work is in it where it takes longer "
    "than the device's. Times are in microseconds a step: median, least and most of the rounds. Small arrays stay in "
    "the device's cache from step to step, as they do for every peer."
)
MEMORY_HOW = (
    "Peak memory is torch.cuda.max_memory_allocated during a step launched by the host, less what was allocated "
    "before; for JAX, the temporary and output memory of the compiled step by XLA's analysis, less what aliases its "
    "arguments."
)

LONG_S = 0.5
"""A replay that takes longer is timed in three rounds at most."""

Step = Callable[[int], object]
"""Runs one step on the batch with that index; its result is dropped."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        rounds: number of rounds; the result is their median.
        round_s: seconds a round lasts, at least one replay.
        most: maximum number of replays in a round.
    """

    rounds: int = 7
    round_s: float = 0.03
    most: int = 500

    def replays(self, estimate_s: float) -> int:
        """The number of replays in a round, where one takes `estimate_s` seconds."""
        return max(1, min(self.most, round(self.round_s / max(estimate_s, 1e-9))))

    def rounds_of(self, estimate_s: float) -> int:
        """The number of rounds, where one replay takes `estimate_s` seconds: fewer where that is long."""
        return self.rounds if estimate_s < LONG_S else min(self.rounds, 3)


@dataclass(frozen=True)
class Timing:
    """The result of a clock.

    Attributes:
        timed_by: `"graph"`, `"events"` or `"wall"`.
        steps: number of steps that were timed.
        seconds: of a step, one number a round.
        capture_error: why there is no graph, or None.
    """

    timed_by: str
    steps: int
    seconds: tuple[float, ...]
    capture_error: str | None = None


class HasElapsed(Protocol):
    """Times a run."""

    def elapsed(self, run: Callable[[], object]) -> float:
        """The seconds that one run takes."""


class Clock(HasElapsed, Protocol):
    """Times steps on one device."""

    def measure(self, step: Step, plan: Plan) -> Timing:
        """Warm a step up and time it."""

    def peak_extra_bytes(self, run: Callable[[], object]) -> int | None:
        """By how much allocated memory rises during a run; None where it is not measured."""


def timed_rounds(clock: HasElapsed, run: Callable[[], object], steps: int, plan: Plan) -> tuple[int, tuple[float, ...]]:
    """Repeat a run of `steps` steps; return the number of timed steps, and the seconds a step in each round."""
    estimate_s = clock.elapsed(run)
    replays, rounds = plan.replays(estimate_s), plan.rounds_of(estimate_s)

    def burst() -> None:
        for _ in range(replays):
            run()

    seconds = tuple(clock.elapsed(burst) / (replays * steps) for _ in range(rounds))
    return rounds * replays * steps, seconds


def batches_to_run(clock: Clock, step: Step) -> tuple[int, ...]:
    """Compile a step by running it, and return the indices of the batches to time it on."""
    step(0)
    seconds = clock.elapsed(lambda: step(1))
    if seconds > SLOW_S:
        return (0,)
    for index in range(BATCHES):
        step(index)
    return tuple(range(BATCHES)) * (PASSES if seconds <= FAST_S else 1)


class CpuClock:
    """The host's clock, for tests and runs without a GPU."""

    def measure(self, step: Step, plan: Plan) -> Timing:
        """Warm a step up and time it."""
        indices = batches_to_run(self, step)
        return Timing("wall", *timed_rounds(self, lambda: [step(index) for index in indices], len(indices), plan))

    def elapsed(self, run: Callable[[], object]) -> float:
        """The seconds that one run takes."""
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    def peak_extra_bytes(self, run: Callable[[], object]) -> int | None:
        """Measures nothing: `benchmarks.memory` measures a CPU's memory, in a separate process."""
        run()
        return None


class CudaClock:
    """Events of the CUDA device, around replays of a graph where a step can be captured."""

    def measure(self, step: Step, plan: Plan) -> Timing:
        """Warm a step up, capture it, and time replays; or time it without a graph, where it cannot be captured."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            indices = batches_to_run(self, step)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()

        def run() -> None:
            for index in indices:
                step(index)

        graph, error = torch.cuda.CUDAGraph(), None
        stream = torch.cuda.current_stream()
        gc.collect()  # so that no older tensor is freed during the capture
        try:
            with torch.cuda.graph(graph):
                run()
            graph.replay()
            torch.cuda.synchronize()
        except Exception as reason:
            error = f"{type(reason).__name__}: {reason}"
            torch.cuda.set_stream(stream)  # a capture that fails at its end leaves its stream current
            torch.cuda.synchronize()  # raises where the device has failed
        if error is not None:
            return Timing("events", *timed_rounds(self, run, len(indices), plan), error)
        timing = Timing("graph", *timed_rounds(self, graph.replay, len(indices), plan))
        graph.reset()
        return timing

    def elapsed(self, run: Callable[[], object]) -> float:
        """The seconds that the device takes for what one run launches on the current stream."""
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def peak_extra_bytes(self, run: Callable[[], object]) -> int | None:
        """By how much allocated memory rises during a run."""
        gc.collect()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before


def clock_of(device: str) -> Clock:
    """The clock of a device, `"cpu"` or `"cuda"`."""
    return CudaClock() if device == "cuda" else CpuClock()
